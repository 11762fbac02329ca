//! What a `shraga.toml` may not do that was merely found in the working directory.
//!
//! It may have come with somebody else's checkout. It must not name an address and have a token sent
//! there that it does not bring itself: one from the environment, or what any file of this machine
//! holds. Named with `--config`, or kept in the person's own configuration folder, a file may.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Origin};

/// Refuses an address from the found file `path` with a token from elsewhere.
pub(super) fn check(config: &Config, path: &Path) -> Result<(), ConfigError> {
    let from = |key: &str| {
        let entry = config.entries.iter().find(|entry| entry.key == key);
        entry
            .filter(|entry| entry.value.is_some())
            .map(|entry| &entry.origin)
    };
    let here = Origin::File(path.to_owned());
    if from("store.url") != Some(&here) {
        return Ok(());
    }
    let token = match (from("store.token_file"), from("store.token")) {
        (Some(origin), _) if *origin == here => {
            let file = config.store.token_file.as_deref();
            return match file.filter(|file| !is_beside(path, file)) {
                Some(file) => Err(borrowed(path, format!("the file {}", file.display()))),
                None => Ok(()),
            };
        }
        (None, Some(origin)) if *origin == here => return Ok(()),
        (Some(Origin::Env(name)), _) | (None, Some(Origin::Env(name))) => {
            format!("the token in {name}")
        }
        // A flag was typed just now, knowing the folder.
        (Some(_), _) | (None, Some(_) | None) => return Ok(()),
    };
    Err(borrowed(path, token))
}

fn borrowed(path: &Path, token: String) -> ConfigError {
    ConfigError::Borrowed {
        path: path.to_owned(),
        token,
    }
}

/// Whether `file` really is in the folder of `path`, or isn't there at all.
fn is_beside(path: &Path, file: &Path) -> bool {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
    match (folder.canonicalize(), file.canonicalize()) {
        (Ok(folder), Ok(file)) => file.starts_with(folder),
        (_, Err(_)) => true,
        (Err(_), Ok(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, file::File};
    use super::*;

    fn checked(
        folder: &Path,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let path = folder.join("shraga.toml");
        let file = File::parse(&path, text).unwrap();
        let config = Config::merge(Some(file), env, &Overrides::new()).unwrap();
        check(&config, &path)
    }

    fn token(name: &str) -> Option<String> {
        (name == "DATAVERSE_TOKEN").then(|| "secret".to_owned())
    }

    const ADDRESS: &str = "[store]\nurl = \"https://elsewhere.example\"\n";

    #[test]
    fn a_found_file_gets_no_token_from_the_environment_for_an_address_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let refused = checked(folder.path(), ADDRESS, &token)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("the token in DATAVERSE_TOKEN"),
            "{refused}"
        );
        let both = |name: &str| match name {
            "DATAVERSE_URL" => Some("https://mine.example".to_owned()),
            name => token(name),
        };
        checked(folder.path(), ADDRESS, &both).unwrap();
        checked(folder.path(), "[assign]\nshared = true\n", &token).unwrap();
    }

    #[test]
    fn a_found_file_names_no_token_outside_its_folder() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, other) = (folder.path().join("token"), elsewhere.path().join("token"));
        for file in [&own, &other] {
            std::fs::write(file, "t").unwrap();
        }
        let text =
            |file: &Path| format!("{ADDRESS}token_file = {:?}\n", file.display().to_string());
        checked(folder.path(), &text(&own), &|_| None).unwrap();
        checked(folder.path(), &text(&other), &|_| None).unwrap_err();
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&other, &link).unwrap();
            checked(folder.path(), &text(&link), &|_| None).unwrap_err();
        }
    }
}
