//! Who may ask: bearer tokens from a file or the environment, compared in constant time. Without any, one is
//! made at first start.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::{Choice, ConstantTimeEq};

/// The variable that holds a token, instead of a file.
pub const VARIABLE: &str = "WARMPOOL_TOKEN";
/// The name of the file that is made in the data folder.
pub const FILE: &str = "token";
/// The shortest token.
const BYTES_MIN: usize = 16;
/// The longest token, and the most of them.
const BYTES_MAX: usize = 512;
const TOKENS_MAX: usize = 64;

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file cannot be read or made.
    #[error("{path}: the token file cannot be used: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error(
        "{path}: its mode {mode:03o} lets others read the tokens\n  make it yours alone: chmod 600 {path}"
    )]
    Readable {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A token is too short, too long, or of other characters.
    #[error(
        "{place}: the token on line {line} is invalid\n\
         \x20 a token has {BYTES_MIN} to {BYTES_MAX} visible ASCII characters; \
         leave the file out to have one made"
    )]
    Token {
        /// The file or the variable.
        place: String,
        /// Where in it.
        line: usize,
    },
    /// There is none, or there are too many.
    #[error("{place}: holds {count} tokens\n  give from 1 to {TOKENS_MAX}, one a line")]
    Count {
        /// The file or the variable.
        place: String,
        /// How many.
        count: usize,
    },
}

/// Which token a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller(pub usize);

/// The tokens that are accepted.
#[derive(Clone)]
pub struct Tokens(Vec<String>);

impl Tokens {
    /// From the environment, else from the file that is named, else from the data folder's, which is made if
    /// it is not there. Says where they are.
    ///
    /// # Errors
    /// A file that cannot be used or that others may read; tokens that are invalid.
    pub fn find(file: Option<&Path>, data: &Path) -> Result<(Self, String), AuthError> {
        if let Ok(text) = std::env::var(VARIABLE) {
            return Ok((Self::parse(&text, VARIABLE)?, format!("the variable {VARIABLE}")));
        }
        let path = file.map_or_else(|| data.join(FILE), Path::to_path_buf);
        let failed = |source| AuthError::File { path: path.clone(), source };
        if file.is_none() && !path.exists() {
            make(&path).map_err(failed)?;
        }
        let mut text = String::new();
        let mut opened = File::open(&path).map_err(failed)?;
        check_mode(&opened, &path)?;
        opened.read_to_string(&mut text).map_err(failed)?;
        Ok((Self::parse(&text, &path.display().to_string())?, path.display().to_string()))
    }

    /// One token a line; empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// Tokens that are invalid.
    pub fn parse(text: &str, place: &str) -> Result<Self, AuthError> {
        let mut tokens = Vec::new();
        for (line, token) in (1..).zip(text.lines().map(str::trim)) {
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            let fits = (BYTES_MIN..=BYTES_MAX).contains(&token.len());
            if !fits || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(AuthError::Token { place: place.to_owned(), line });
            }
            tokens.push(token.to_owned());
        }
        if tokens.is_empty() || tokens.len() > TOKENS_MAX {
            return Err(AuthError::Count { place: place.to_owned(), count: tokens.len() });
        }
        Ok(Self(tokens))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whose token the value of an `Authorization` header is. Every token is compared, and each in constant
    /// time.
    pub fn check(&self, authorization: Option<&[u8]>) -> Option<Caller> {
        let (scheme, given) = authorization?.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let mut found = None;
        for (index, token) in self.0.iter().enumerate() {
            let same: Choice = token.as_bytes().ct_eq(given.trim_ascii());
            if bool::from(same) {
                found = Some(Caller(index));
            }
        }
        found
    }
}

/// Makes a file with a new token that nobody else may read.
fn make(path: &Path) -> std::io::Result<()> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "wp_{}", URL_SAFE_NO_PAD.encode(random))?;
    file.sync_all()
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), AuthError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| AuthError::File { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(AuthError::Readable { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<(), AuthError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_a_whole_token_is_accepted() {
        let tokens = Tokens::parse("# ours\nfirst-token-of-two\n\nsecond-token-of-two\n", "test").unwrap();
        let check = |header: &str| tokens.check(Some(header.as_bytes()));
        assert_eq!(check("Bearer first-token-of-two"), Some(Caller(0)));
        assert_eq!(check("bearer second-token-of-two"), Some(Caller(1)));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer first-token-of-tw",
            "Bearer first-token-of-two2",
            "Basic first-token-of-two",
            "Bearerfirst-token-of-two",
        ] {
            assert_eq!(check(wrong), None, "{wrong:?}");
        }
        assert_eq!(tokens.check(None), None);
    }

    #[test]
    fn a_token_is_made_once_and_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (_, place) = Tokens::find(None, folder.path()).unwrap();
        let made = std::fs::read_to_string(&place).unwrap();
        assert!(made.trim().len() >= 40, "{made}");
        Tokens::find(None, folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), made, "it was made again");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o640)).unwrap();
            let error = Tokens::find(None, folder.path()).err().unwrap();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn invalid_tokens_name_their_line() {
        for (text, told) in [
            ("# none\n", "holds 0 tokens"),
            ("\nshort\n", "line 2"),
            ("has a space in the middle\n", "line 1"),
        ] {
            let error = Tokens::parse(text, "file").err().unwrap().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
