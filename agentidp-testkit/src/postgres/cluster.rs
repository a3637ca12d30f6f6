//! A cluster of our own, made by the distribution's `initdb` and gone when the last user drops it.
//!
//! One for each process: `scripts/with-postgres` makes one for all processes of a test run, which is
//! quicker by two seconds a test, and tells its URL in `AGENTIDP_TEST_POSTGRES_URL`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use agentidp_core::base::pause;

/// A directory with `initdb` and `postgres`, tried before the PATH and the usual places.
const BIN_VARIABLE: &str = "AGENTIDP_TEST_POSTGRES_BIN";
/// `on` to make commits durable, for kill tests and measurements.
const FSYNC_VARIABLE: &str = "AGENTIDP_TEST_POSTGRES_FSYNC";
/// How long a cluster may take to accept connections.
const START_MAX: Duration = Duration::from_secs(30);

/// A running cluster. Only a unix socket leads to it, so no port can be taken.
pub(super) struct Cluster {
    url: String,
    server: Option<Server>,
    directory: tempfile::TempDir,
}

/// The server's process id, and the end of a channel that tells when it has ended.
struct Server {
    pid: u32,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Cluster {
    /// The cluster of this process, started if there is none.
    pub(super) fn shared() -> Arc<Cluster> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// A URL that lets a superuser in.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn start() -> Cluster {
        let bin = bin_directory();
        let directory = tempfile::Builder::new().prefix("agentidp-pg-").tempdir_in("/tmp");
        let directory = directory.expect("a temporary directory");
        let user = unprivileged_user();
        if let Some(user) = user {
            let mut chown = Command::new("chown");
            ran(chown.arg(user).arg(directory.path()));
        }
        let data = directory.path().join("data");
        init(&bin, &data, user);
        let server = serve(&bin, &data, directory.path(), user);
        let socket = directory.path().display().to_string();
        let url = format!("postgres://postgres@localhost/postgres?host={socket}");
        let cluster = Cluster { url, server: Some(server), directory };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&self) {
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        while let Err(error) = super::Session::try_connect(&self.url) {
            assert!(
                waited < START_MAX,
                "PostgreSQL did not start: {error}\n{}",
                std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
            );
            pause(step);
            waited += step;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // SIGQUIT: end at once. Nobody needs the data any more.
            let pid = server.pid.to_string();
            let _ = Command::new("kill").args(["-QUIT", &pid]).status();
            let ended = server.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(Duration::from_secs(10));
        }
    }
}

fn bin_directory() -> PathBuf {
    let named = std::env::var_os(BIN_VARIABLE).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = named.into_iter().chain(std::env::split_paths(&path)).collect();
    let mut installed: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    installed.sort();
    places.extend(installed.into_iter().rev().map(|(_, directory)| directory));
    places
        .into_iter()
        .find(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
        .unwrap_or_else(|| {
            panic!(
                "no PostgreSQL: initdb and postgres are neither in ${BIN_VARIABLE} nor in the PATH \
                 nor under /usr/lib/postgresql; install the distribution's `postgresql` package"
            )
        })
}

/// The user to run the server as: it refuses to be root.
fn unprivileged_user() -> Option<&'static str> {
    let id = ran(Command::new("id").arg("-u"));
    let root = String::from_utf8_lossy(&id.stdout).trim() == "0";
    let exists = |user: &str| {
        let id = Command::new("id").arg(user).stdout(Stdio::null()).stderr(Stdio::null()).status();
        id.is_ok_and(|status| status.success())
    };
    root.then(|| if exists("postgres") { "postgres" } else { "nobody" })
}

/// A command that runs `program` as `user`. A server that outlives a killed test is told to end by
/// the kernel, where `setpriv` is there to ask for it.
fn command_as(user: Option<&str>, program: &Path, end_with_parent: bool) -> Command {
    let setpriv = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
    if !setpriv.is_ok_and(|status| status.success()) {
        assert!(
            user.is_none(),
            "`setpriv` (util-linux) is needed to run PostgreSQL as root's guest"
        );
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        let group = ran(Command::new("id").args(["-g", user]));
        let group = String::from_utf8_lossy(&group.stdout).trim().to_owned();
        command.args(["--reuid", user, "--regid", &group, "--clear-groups"]);
    }
    if end_with_parent {
        command.args(["--pdeathsig", "QUIT"]);
    }
    command.arg("--").arg(program);
    command
}

/// Makes the cluster. A linguistic order is its default, so that a forgotten COLLATE "C" shows.
fn init(bin: &Path, data: &Path, user: Option<&str>) {
    let linguistic = ["--locale-provider=icu", "--icu-locale=en-US"];
    let attempt = |locale: &[&str]| {
        let _ = std::fs::remove_dir_all(data);
        let mut initdb = command_as(user, &bin.join("initdb"), false);
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        initdb.args(["--locale=C.UTF-8", "--no-instructions"]).args(locale).arg("--pgdata");
        initdb.arg(data).current_dir("/tmp").output().expect("initdb runs")
    };
    let mut done = attempt(&linguistic);
    if !done.status.success() {
        done = attempt(&[]);
    }
    assert!(done.status.success(), "initdb failed: {}", String::from_utf8_lossy(&done.stderr));
}

fn serve(bin: &Path, data: &Path, socket: &Path, user: Option<&str>) -> Server {
    let fsync = std::env::var(FSYNC_VARIABLE).unwrap_or_else(|_| "off".to_owned());
    let mut postgres = command_as(user, &bin.join("postgres"), true);
    postgres.arg("-D").arg(data).arg("-k").arg(socket).current_dir("/tmp");
    for setting in ["listen_addresses=", "max_connections=200", "shared_buffers=64MB"] {
        postgres.args(["-c", setting]);
    }
    postgres.args(["-c", &format!("fsync={fsync}"), "-c", &format!("full_page_writes={fsync}")]);
    let log = std::fs::File::create(socket.join("log")).expect("a log file");
    postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    // The kernel's death signal is tied to the thread that spawned: it must live as long as we do.
    let (started, start) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let child: std::io::Result<Child> = postgres.spawn();
        let child = child.map(|mut child| {
            let _ = started.send(child.id());
            child.wait()
        });
        drop(child);
        let _ = end.send(());
    });
    let pid = start.recv().expect("postgres starts");
    Server { pid, ended: Mutex::new(ended) }
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
