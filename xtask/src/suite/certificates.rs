//! Certificates for the suites that speak TLS, with the names that py-amqp's tests expect.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;

/// The folder they are in.
pub(crate) fn dir() -> PathBuf {
    process::peers_dir().join("certificates")
}

/// Makes an authority, a server and a client certificate, and a client certificate of a stranger.
pub(crate) fn prepare() -> Result<()> {
    let dir = dir();
    if dir.join("server.key").exists() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    authority(&dir, "ca")?;
    authority(&dir, "stranger")?;
    leaf(&dir, "ca", "client_certificate", "client_key", "client")?;
    leaf(&dir, "stranger", "client_certificate_broken", "client_key_broken", "client")?;
    std::fs::copy(dir.join("ca.pem"), dir.join("ca_certificate.pem"))?;
    leaf(&dir, "ca", "server", "server_key", "localhost")?;
    std::fs::rename(dir.join("server_key.pem"), dir.join("server.key"))?;
    Ok(())
}

fn openssl(dir: &Path, args: &[&str]) -> Result<()> {
    process::output(Command::new("openssl").args(args).current_dir(dir)).map(drop)
}

fn authority(dir: &Path, name: &str) -> Result<()> {
    let (key, pem) = (format!("{name}_ca.key"), format!("{name}.pem"));
    let subject = format!("/CN=test authority {name}");
    openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "3650",
            "-keyout",
            &key,
            "-out",
            &pem,
            "-subj",
            &subject,
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
    )
}

fn leaf(dir: &Path, authority: &str, pem: &str, key: &str, name: &str) -> Result<()> {
    let (pem, key) = (format!("{pem}.pem"), format!("{key}.pem"));
    let (request, extensions) = (format!("{name}.csr"), format!("{name}.ext"));
    let subject = format!("/CN={name}");
    openssl(
        dir,
        &[
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj",
            &subject,
        ],
    )?;
    std::fs::write(
        dir.join(&extensions),
        "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n\
         extendedKeyUsage=serverAuth,clientAuth\n",
    )?;
    let (ca, ca_key) = (format!("{authority}.pem"), format!("{authority}_ca.key"));
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "3650",
            "-extfile",
            &extensions,
            "-out",
            &pem,
        ],
    )
}
