//! What later runs take from an image's config.

/// What later runs take from an image's config. What is missing or of another type is as good as empty: the
/// image is somebody else's.
#[derive(Debug, Clone, Default)]
pub(crate) struct BaseConfig {
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) user: String,
    pub(crate) shell: Vec<String>,
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) variant: String,
    pub(crate) os_version: String,
    pub(crate) os_features: Vec<String>,
}

impl BaseConfig {
    pub(crate) fn read(config: &[u8]) -> Self {
        let root: serde_json::Value = serde_json::from_slice(config).unwrap_or_default();
        let config = root.get("config").cloned().unwrap_or_default();
        Self {
            env: strings(&config, "Env"),
            working_dir: string(&config, "WorkingDir"),
            user: string(&config, "User"),
            shell: strings(&config, "Shell"),
            os: string(&root, "os"),
            architecture: string(&root, "architecture"),
            variant: string(&root, "variant"),
            os_version: string(&root, "os.version"),
            os_features: strings(&root, "os.features"),
        }
    }
}

fn string(object: &serde_json::Value, key: &str) -> String {
    object.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
}

fn strings(object: &serde_json::Value, key: &str) -> Vec<String> {
    let list = object.get(key).and_then(|v| v.as_array());
    let items = list.into_iter().flatten().filter_map(|v| v.as_str());
    items.map(str::to_owned).collect()
}
