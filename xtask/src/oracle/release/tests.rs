//! A RabbitMQ is found by its folder and run in its root.

use std::ffi::OsStr;
use std::fs;

use super::*;

/// An own folder for a test, which is removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// Adds what a package has, or what is left of it when it has no scripts.
    fn with(self, version: &str, scripts: &[&str]) -> Self {
        let sbin = self.0.join(format!("usr/lib/rabbitmq/lib/rabbitmq_server-{version}/sbin"));
        fs::create_dir_all(&sbin).unwrap();
        for script in scripts {
            fs::write(sbin.join(script), "").unwrap();
        }
        self
    }

    fn find(&self) -> Result<RabbitMq> {
        RabbitMq::find(Some(self.0.clone()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn words(command: &Command) -> Vec<&OsStr> {
    [command.get_program()].into_iter().chain(command.get_args()).collect()
}

#[test]
fn its_programs_run_in_its_root() {
    let folder = Folder::new("root")
        .with("4.2.0", &[])
        .with("4.3.6", &["rabbitmq-server", "rabbitmqctl"])
        .with("4.2.1", &[]);
    let rabbitmq = folder.find().unwrap();
    assert_eq!(rabbitmq.version, "4.3.6");
    let root = folder.0.as_os_str();
    let script = "/usr/lib/rabbitmq/lib/rabbitmq_server-4.3.6/sbin/rabbitmqctl";
    let control = rabbitmq.command("rabbitmqctl");
    assert_eq!(words(&control), [OsStr::new("chroot"), root, OsStr::new(script)]);
    let mapper = rabbitmq.command("epmd");
    assert_eq!(words(&mapper), [OsStr::new("chroot"), root, OsStr::new("epmd")]);
}

#[test]
fn this_systems_programs_run_in_no_root() {
    let rabbitmq = RabbitMq { root: None, version: "0.0.0".into() };
    assert_eq!(words(&rabbitmq.command("epmd")), ["epmd"]);
}

#[test]
fn a_root_without_one_is_named() {
    let folder = Folder::new("empty").with("4.3.6", &[]);
    let error = folder.find().unwrap_err().to_string();
    assert!(
        error.ends_with("/usr/lib/rabbitmq/lib") && error.starts_with("no RabbitMQ"),
        "{error}"
    );
}
