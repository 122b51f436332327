use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tempfile::TempDir;

const SECRET: &str = "a-secret-of-the-rust-clients-tests";

/// A `straw serve` that can be killed and started again on the same store and port.
pub struct Gateway {
    folder: TempDir,
    process: Option<Child>,
    webhook: String,
    pub grpc: String,
    flags: Vec<String>,
}

impl Gateway {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(flags: &[&str]) -> Self {
        let mut gateway = Gateway {
            folder: tempfile::tempdir().unwrap(),
            process: None,
            webhook: String::new(),
            grpc: "127.0.0.1:0".into(),
            flags: flags.iter().map(ToString::to_string).collect(),
        };
        gateway.restart();
        gateway
    }

    /// Starts it (again), and returns once it listens.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let store = self.folder.path().join("store");
        let exports = self.folder.path().join("exports");
        let mut process = Command::new(binary())
            .args([
                "serve",
                "--webhook-addr",
                "127.0.0.1:0",
                "--http-addr",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .args(["--grpc-addr", &self.grpc])
            .args(["--store", &format!("pebble:{}", store.display())])
            .args(["--blobs", &format!("file:{}", exports.display())])
            .args(&self.flags)
            .env("STRAW_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut log = BufReader::new(process.stderr.take().unwrap());
        self.process = Some(process);
        let mut found = 0;
        while found < 3 {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "straw serve ended before it listened");
            let Some(listener) = member(&line, "listener") else { continue };
            let address = member(&line, "addr").expect("beside a listener");
            match listener {
                "webhook" => self.webhook = address.into(),
                "grpc" => self.grpc = address.into(),
                _ => {}
            }
            found += 1;
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    }

    /// kill -9; returns when it is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Asks it to drain, and waits for its end.
    pub fn terminate(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(told.success() && process.wait().unwrap().success(), "it drains");
    }

    /// Posts webhooks with these numbers: `evt-<n>`.
    pub fn post(&self, numbers: std::ops::RangeInclusive<usize>) {
        let mut connection = TcpStream::connect(&self.webhook).unwrap();
        for n in numbers {
            self.post_body(
                &mut connection,
                &format!(
                    r#"{{"id":"evt-{n}","type":"analysis.completed","data":{{"analysis_id":"an-{n}","result_count":{n}}}}}"#
                ),
            );
        }
    }

    /// Posts one webhook.
    pub fn post_one(&self, body: &str) {
        self.post_body(&mut TcpStream::connect(&self.webhook).unwrap(), body);
    }

    fn post_body(&self, connection: &mut TcpStream, body: &str) {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = mac.finalize().into_bytes();
        let request = format!(
            "POST /webhooks/juicebox HTTP/1.1\r\nHost: {}\r\nx-juicebox-signature: {signature:x}\r\nContent-Length: {}\r\n\r\n{body}",
            self.webhook,
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap(); // in one piece, or the kernel would wait for more
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") && !answer.ends_with(b"}\n") {
            let mut piece = [0; 1024];
            match connection.read(&mut piece).unwrap() {
                0 => break,
                n => answer.extend_from_slice(&piece[..n]),
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{body}: {answer}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A string member of a line of JSON; the log has no escapes in those that are asked for.
fn member<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// `STRAW_BINARY`, or one that is built from the repository.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("STRAW_BINARY") {
            return path.into();
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("straw");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&path)
            .arg("./server/cmd/straw")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .status();
        assert!(built.expect("Go is installed").success(), "the gateway builds");
        path
    })
}
