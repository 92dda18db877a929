//! The protobuf messages and gRPC stubs that BuildKit and fsutil speak, and nothing else.
//!
//! `src/generated` comes from the `.proto` files in `proto/`, which say what each message means; `cargo
//! xtask proto` writes it and `cargo xtask proto --check` proves it current. The generated code refers to
//! itself by package names, hence the nested modules; the short names below are for everyone else. Stubs
//! need the feature `grpc`. No domain types live here, and no conversion but that of map entries ([`map`]).

pub mod map;

pub use generated::containerd::services::content::v1 as content;
pub use generated::fsutil::types as fsutil;
pub use generated::google::rpc;
pub use generated::grpc::health::v1 as health;
pub use generated::moby::buildkit::secrets::v1 as secrets;
pub use generated::moby::buildkit::v1 as control;
pub use generated::moby::buildkit::v1::apicaps;
pub use generated::moby::buildkit::v1::frontend as gateway;
pub use generated::moby::buildkit::v1::sourcepolicy;
pub use generated::moby::buildkit::v1::types as worker;
pub use generated::moby::filesync::v1 as filesync;
pub use generated::moby::sshforward::v1 as sshforward;
pub use generated::moby::upload::v1 as upload;
pub use generated::pb;
pub use prost::Message;
pub use prost_types::{Any, Timestamp};

impl std::fmt::Debug for secrets::GetSecretResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GetSecretResponse").finish_non_exhaustive()
    }
}

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]
#[rustfmt::skip]
mod generated {
    pub mod containerd {
        pub mod services {
            pub mod content {
                pub mod v1 {
                    include!("generated/containerd.services.content.v1.rs");
                }
            }
        }
    }
    pub mod pb {
        include!("generated/pb.rs");
    }
    pub mod fsutil {
        pub mod types {
            include!("generated/fsutil.types.rs");
        }
    }
    pub mod google {
        pub mod rpc {
            include!("generated/google.rpc.rs");
        }
    }
    pub mod grpc {
        pub mod health {
            pub mod v1 {
                include!("generated/grpc.health.v1.rs");
            }
        }
    }
    pub mod moby {
        pub mod buildkit {
            pub mod secrets {
                pub mod v1 {
                    include!("generated/moby.buildkit.secrets.v1.rs");
                }
            }
            pub mod v1 {
                include!("generated/moby.buildkit.v1.rs");
                pub mod apicaps {
                    include!("generated/moby.buildkit.v1.apicaps.rs");
                }
                pub mod frontend {
                    include!("generated/moby.buildkit.v1.frontend.rs");
                }
                pub mod sourcepolicy {
                    include!("generated/moby.buildkit.v1.sourcepolicy.rs");
                }
                pub mod types {
                    include!("generated/moby.buildkit.v1.types.rs");
                }
            }
        }
        pub mod filesync {
            pub mod v1 {
                include!("generated/moby.filesync.v1.rs");
            }
        }
        pub mod sshforward {
            pub mod v1 {
                include!("generated/moby.sshforward.v1.rs");
            }
        }
        pub mod upload {
            pub mod v1 {
                include!("generated/moby.upload.v1.rs");
            }
        }
    }
}
