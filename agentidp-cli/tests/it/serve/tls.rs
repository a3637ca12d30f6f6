//! TLS: what it shows, what it refuses, and how it takes a new certificate.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::sandbox::Sandbox;

use super::server::{Reply, Server, get, send};

/// A certificate of its own for `localhost`, in the sandbox's files.
struct Made {
    der: CertificateDer<'static>,
}

fn files(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    (sandbox.path().join("cert.pem"), sandbox.path().join("key.pem"))
}

fn make(sandbox: &Sandbox) -> Made {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = files(sandbox);
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    Made { der: made.cert.der().clone() }
}

fn start(sandbox: &Sandbox) -> Server {
    Server::start(sandbox, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"])
}

/// A request by a client that trusts `made` alone.
fn request(server: &Server, made: &Made) -> Result<(Reply, Option<Vec<u8>>), std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(made.der.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, server.connect());
    stream.write_all(get("/healthz").as_bytes())?;
    let mut read = Vec::new();
    stream.read_to_end(&mut read)?;
    let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
    Ok((Reply::parse(&read), protocol))
}

#[test]
fn https_is_served_with_the_certificate_and_asks_to_stay() {
    let sandbox = Sandbox::with_instance();
    let made = make(&sandbox);
    let server = start(&sandbox);
    let (reply, protocol) = request(&server, &made).unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    assert!(reply.header("strict-transport-security").starts_with("max-age="), "{reply:?}");
    // Who speaks http there gets no answer that could be one.
    assert_ne!(send(server.connect(), get("/healthz")).status, 200);
    server.end();
}

#[test]
fn with_a_certificate_any_address_may_be_listened_on() {
    let sandbox = Sandbox::with_instance();
    let made = make(&sandbox);
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let arguments = [&["--listen", "0.0.0.0:0"][..], &tls].concat();
    let mut server = Server::start(&sandbox, &arguments);
    server.address.set_ip([127, 0, 0, 1].into());
    assert_eq!(request(&server, &made).unwrap().0.status, 200);
    server.end();
}

#[test]
fn sighup_takes_a_new_certificate_and_keeps_the_old_where_the_new_is_none() {
    let sandbox = Sandbox::with_instance();
    let first = make(&sandbox);
    let server = start(&sandbox);
    assert!(request(&server, &first).is_ok());
    let second = make(&sandbox);
    assert!(request(&server, &second).is_err(), "it has not been asked yet");
    server.signal("-HUP");
    server.says("the certificate was read again");
    assert!(request(&server, &second).is_ok());
    assert!(request(&server, &first).is_err());

    // A key of another certificate, no certificate, no file.
    let (certificate, key) = files(&sandbox);
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    server.signal("-HUP");
    server.says("the key does not belong to the certificate; the old certificate stays");
    std::fs::write(&certificate, "nothing").unwrap();
    server.signal("-HUP");
    server.says("there is no certificate in it; the old certificate stays");
    std::fs::remove_file(&certificate).unwrap();
    server.signal("-HUP");
    server.says("(os error 2); the old certificate stays");
    assert_eq!(request(&server, &second).unwrap().0.status, 200);
    let said = server.end();
    assert!(!said.contains("PRIVATE"), "{said}");
}

#[test]
fn files_that_are_no_certificate_and_key_are_refused_at_once() {
    let sandbox = Sandbox::with_instance();
    make(&sandbox);
    let (certificate, key) = files(&sandbox);
    let run = || {
        let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
        let arguments = [&["--json", "serve", "--listen", "127.0.0.1:0"][..], &tls].concat();
        let answer = sandbox.run(&arguments);
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "config_invalid"));
        answer.stderr
    };
    let kept = std::fs::read(&key).unwrap();
    std::fs::copy(&certificate, &key).unwrap();
    assert!(run().contains("key.pem"));
    std::fs::write(&key, &kept).unwrap();
    std::fs::copy(&key, &certificate).unwrap();
    let said = run();
    assert!(said.contains("there is no certificate in it"), "{said}");
    std::fs::remove_file(&certificate).unwrap();
    assert!(run().contains("cert.pem"));
}
