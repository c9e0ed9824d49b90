//! The clerks' console as a browser reads it: every page and export that a link leads to, for a person of each role.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use calamine::{Reader, Xlsx};
use tests::program::program;

/// Whoever is let in, and with which role.
pub(crate) const PEOPLE: [(&str, &str); 4] =
    [("lan", "clerk"), ("minh", "checker"), ("oanh", "operator"), ("an", "auditor")];

/// Pages that one person's walk may have.
const PAGES_MAX: usize = 400;

/// Lets a person of each role in, by the command that operators use.
pub(crate) fn let_in(config: &str, password: &str) {
    for (name, role) in PEOPLE {
        let command = ["people", "add", name, "--full-name", name, "--role", role, "--config", config];
        let mut running = Command::new(program())
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        running.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        assert!(running.wait().unwrap().success(), "{name} is not let in");
    }
}

/// Somebody who is logged in.
pub(crate) struct Browser {
    address: String,
    /// The session's id as its cookie has it.
    pub(crate) session: String,
    csrf: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What a person sees of it: a workbook's cells, for it is packed.
    pub(crate) fn seen(&self) -> Vec<u8> {
        if !self.head.contains("spreadsheetml") {
            return self.body.clone();
        }
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(self.body.clone())).unwrap();
        let name = book.sheet_names()[0].clone();
        let range = book.worksheet_range(&name).unwrap();
        let rows = range.rows().map(|row| row.iter().map(|cell| format!("{cell} ")).collect::<String>());
        rows.collect::<String>().into_bytes()
    }
}

impl Browser {
    pub(crate) fn log_in(address: &str, name: &str, password: &str) -> Browser {
        let mut browser =
            Browser { address: address.to_owned(), session: String::new(), csrf: String::new() };
        let fields = format!("name={name}&password={}", password.replace(' ', "+"));
        let answer = browser.send("POST", "/log-in", FORM, fields.as_bytes());
        let cookie = answer.header("set-cookie").expect("a session").split(';').next().unwrap().to_owned();
        browser.session = cookie.split_once('=').unwrap().1.to_owned();
        let page = browser.get("/account").text();
        browser.csrf = between(&page, "name=\"csrf\" value=\"", "\"").to_owned();
        browser
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, fields: &str) -> Answer {
        self.send("POST", path, FORM, format!("csrf={}&{fields}", self.csrf).as_bytes())
    }

    /// Hands in a file, and does the second click; both pages.
    pub(crate) fn load(&self, fields: &[(&str, &str)], name: &str, file: &str) -> [Answer; 2] {
        let field = |(name, value): &(&str, &str)| {
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let mut body = field(&("csrf", &self.csrf)) + &fields.iter().map(field).collect::<String>();
        let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=";
        body += &format!("{head}\"{name}\"\r\n\r\n");
        body += &format!("{file}\r\n--edge--\r\n");
        let shown = self.send("POST", "/load", "multipart/form-data; boundary=edge", body.as_bytes());
        let text = shown.text();
        let id = between(&text, "name=\"id\" value=\"", "\"");
        let taken = self.post("/load/take", &format!("id={id}"));
        assert!(taken.head.starts_with("HTTP/1.1 303"), "{}", taken.text());
        [shown, taken]
    }

    /// Every page and export to which a link of the console leads, from the first page on.
    pub(crate) fn walk(&self, mut look: impl FnMut(&str, &[u8])) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut next = vec!["/day".to_owned()];
        while let Some(path) = next.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            assert!(seen.len() <= PAGES_MAX, "more than {PAGES_MAX} pages: {seen:?}");
            let answer = self.get(&path);
            assert!(answer.head.starts_with("HTTP/1.1 200"), "{path}: {}", answer.head);
            look(&path, &answer.seen());
            let page = answer.text();
            let links = page.split(" href=\"/").skip(1).filter_map(|rest| rest.split('"').next());
            let links = links.map(|link| format!("/{}", link.replace("&#38;", "&").replace("&amp;", "&")));
            next.extend(
                links.filter(|link| !link.starts_with("/assets/") && !link.starts_with("/language/")),
            );
        }
        seen
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let address = &self.address;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: console={}\r\n\
             User-Agent: a browser\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.session,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        Answer { head: String::from_utf8_lossy(&answer[..at]).into_owned(), body: answer[at + 4..].to_vec() }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn between<'t>(text: &'t str, before: &str, behind: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(behind).next().unwrap()
}

/// Adds the console to a configuration.
pub(crate) fn configure(config: &Path) {
    let mut text = std::fs::read_to_string(config).unwrap();
    text += "[console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n[reconciliation]\ndir = \"desk\"\n";
    std::fs::write(config, text).unwrap();
}
