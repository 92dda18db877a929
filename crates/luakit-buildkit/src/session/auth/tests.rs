//! What an engine is told, and what it isn't.

use luakit_testkit::registry::{self as fake, Auth as Whom};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::*;

struct World {
    dir: tempfile::TempDir,
    server: fake::Registry,
}

impl World {
    /// A registry, and a `config.json` with the entry for it, `HOST` in it.
    fn new(entry: &str) -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), fake::Registry::start());
        let config = format!(r#"{{"auths":{{"{}":{entry}}}}}"#, server.host());
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        Self { dir, server }
    }

    fn login(&self, fetch_tokens: bool) -> Login {
        let access = RegistryAccess {
            docker_config: self.dir.path().to_owned(),
            config: RegistryConfig::default(),
            network: Network::default(),
            fetch_tokens,
        };
        Login::new(access, Failures::default())
    }

    async fn token(&self, login: &Login) -> Result<FetchTokenResponse, Status> {
        let host = self.server.host();
        let request = FetchTokenRequest {
            client_id: "buildkit-client".to_owned(),
            realm: format!("http://{host}/token"),
            host,
            service: "test".to_owned(),
            scopes: vec!["repository:app:pull".to_owned()],
        };
        login.fetch_token(Request::new(request)).await.map(Response::into_inner)
    }

    async fn credentials(&self, login: &Login) -> Result<(String, String), Status> {
        let host = self.server.host();
        let answer = login.credentials(Request::new(CredentialsRequest { host })).await?;
        let CredentialsResponse { username, secret } = answer.into_inner();
        Ok((username, secret))
    }

    async fn public_key(&self, login: &Login, salt: &[u8]) -> Result<Vec<u8>, Status> {
        let request = GetTokenAuthorityRequest {
            host: self.server.host(),
            salt: salt.to_vec(),
        };
        let answer = login.get_token_authority(Request::new(request)).await?;
        Ok(answer.into_inner().public_key)
    }
}

#[tokio::test]
async fn tokens_are_fetched_here() {
    let world = World::new(r#"{"username":"ann","password":"hunter2"}"#);
    let login = world.login(true);
    for oauth in [true, false] {
        world.server.set_auth(Whom::Bearer {
            user: Some(("ann", "hunter2")),
            identity: None,
            oauth,
        });
        let token = world.token(&login).await.unwrap();
        assert_eq!(
            (token.token.as_str(), token.expires_in, token.issued_at),
            ("t0ken", 60, 0)
        );
    }
    assert_eq!(
        world.server.requests(),
        [
            "POST /token",
            "POST /token",
            "GET /token?service=test&scope=repository%3Aapp%3Apull (Basic)"
        ]
    );
    world.server.set_auth(Whom::Bearer {
        user: Some(("ann", "other")),
        identity: None,
        oauth: true,
    });
    let error = world.token(&login).await.unwrap_err();
    assert!(!error.message().contains("hunter2"), "{error}");
    assert!(error.message().contains("may not read it"), "{error}");
}

#[tokio::test]
async fn tokens_for_identities_and_for_nobody() {
    let world = World::new(r#"{"identitytoken":"refresh-me"}"#);
    world.server.set_auth(Whom::Bearer {
        user: Some(("ann", "hunter2")),
        identity: Some("refresh-me"),
        oauth: true,
    });
    assert_eq!(world.token(&world.login(true)).await.unwrap().token, "t0ken");
    assert_eq!(
        world.credentials(&world.login(true)).await.unwrap(),
        (String::new(), "refresh-me".to_owned())
    );

    let fixed = World::new(r#"{"registrytoken":"as-is"}"#);
    assert_eq!(fixed.token(&fixed.login(true)).await.unwrap().token, "as-is");
    assert!(fixed.server.requests().is_empty());

    let nobody = World::new("{}");
    nobody.server.set_auth(Whom::Bearer {
        user: None,
        identity: None,
        oauth: false,
    });
    assert_eq!(nobody.token(&nobody.login(true)).await.unwrap().token, "t0ken");
    assert_eq!(nobody.server.requests().len(), 1);
    assert_eq!(
        nobody.credentials(&nobody.login(true)).await.unwrap(),
        Default::default()
    );
}

#[tokio::test]
async fn the_authority_is_who_holds_the_credentials() {
    let world = World::new(r#"{"username":"ann","password":"hunter2"}"#);
    let key = world.public_key(&world.login(true), b"salt").await.unwrap();
    assert_eq!(key.len(), 32);
    assert_eq!(world.public_key(&world.login(true), b"salt").await.unwrap(), key);
    assert_ne!(world.public_key(&world.login(true), b"other").await.unwrap(), key);

    let request = VerifyTokenAuthorityRequest {
        host: world.server.host(),
        payload: b"prove it".to_vec(),
        salt: b"salt".to_vec(),
    };
    let answer = world.login(true).verify_token_authority(Request::new(request)).await;
    let signed = answer.unwrap().into_inner().signed;
    let (signature, payload) = signed.split_at(64);
    assert_eq!(payload, b"prove it");
    UnparsedPublicKey::new(&ED25519, &key)
        .verify(payload, signature)
        .unwrap();

    let asked_instead = [(world, false), (World::new("{}"), true)];
    for (world, fetch_tokens) in asked_instead {
        let error = world.public_key(&world.login(fetch_tokens), b"salt").await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unavailable);
    }
}

/// A seed and a salt of known bytes give the key that BuildKit's client gives.
#[tokio::test]
async fn the_key_is_the_one_of_buildkits_client() {
    let world = World::new(r#"{"username":"ann","password":"hunter2"}"#);
    let seeds = format!(r#"{{"{}":{{"Seed":"AAECAwQFBgcICQoLDA0ODw=="}}}}"#, world.server.host());
    std::fs::write(world.dir.path().join(".token_seed"), seeds).unwrap();
    let key = world.public_key(&world.login(true), &[7; 32]).await.unwrap();
    assert_eq!(
        hex::encode(key),
        "e04b491884482c6fe19647a8f8169d08546cf60afe3da42d9e02cb38a3bd0743"
    );
}

#[tokio::test]
async fn what_fails_is_remembered_and_tells_no_secret() {
    let world = World::new(r#"{"auth":"hunter2"}"#);
    let login = world.login(true);
    let error = world.credentials(&login).await.unwrap_err();
    assert!(!error.message().contains("hunter2"), "{error}");
    assert!(matches!(login.0.failures.take(), Some(Failure::Credentials { .. })));
    let error = world.public_key(&login, b"salt").await.unwrap_err();
    assert_eq!(
        error.code(),
        tonic::Code::FailedPrecondition,
        "not to be asked in another way"
    );
}
