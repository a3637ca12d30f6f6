//! What is refused before any handler is asked: each operation says so in the document.

use std::time::Duration;

use agentidp_http::ServeOptions;
use agentidp_testkit::TestIdp;

use crate::api::MISSING;
use crate::declared::Declared;
use crate::running::Running;

/// Asks for each operation, with `fields` besides, and tells how many of them were refused with `status`.
fn refused(choose: impl FnOnce(&mut ServeOptions), fields: &str, status: u16) -> usize {
    let test = TestIdp::in_memory();
    let server = Running::start_with(test.idp.clone(), choose);
    let declared = Declared::document();
    let mut refused = 0;
    for operation in declared.operations() {
        let (method, path) = (operation.method, operation.path(|_| MISSING.to_owned()));
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{fields}");
        let answer = server.ask(&head);
        declared.check(method, &path, &answer);
        refused += usize::from(answer.status == status);
    }
    server.end();
    test.finish();
    refused
}

/// How many operations there are.
fn operations() -> usize {
    Declared::document().operations().count()
}

#[test]
fn a_request_without_its_host_is_refused_as_declared() {
    assert_eq!(refused(|_| {}, "", 400), operations());
}

#[test]
fn a_request_in_the_open_is_refused_as_declared() {
    let behind = |options: &mut ServeOptions| {
        options.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    };
    let fields = "Host: idp\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
    assert_eq!(refused(behind, fields, 403), operations());
}

#[test]
fn an_address_that_asks_too_often_is_refused_as_declared() {
    let once = |options: &mut ServeOptions| options.limits.per_address_per_minute = Some(1);
    assert_eq!(refused(once, "Host: idp\r\n", 429), operations() - 1);
}

#[test]
fn a_body_that_does_not_come_is_refused_as_declared() {
    let hasty = |options: &mut ServeOptions| options.body_timeout = Duration::from_millis(20);
    let fields = "Host: idp\r\nAuthorization: Bearer t\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 5\r\n";
    let declared = Declared::document();
    let takes_one = declared.operations().filter(|it| it.described["requestBody"].is_object());
    let waited_for = refused(hasty, fields, 408);
    assert!(waited_for >= takes_one.count(), "{waited_for}");
}
