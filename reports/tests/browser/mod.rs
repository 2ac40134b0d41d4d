//! A headless Chromium that tests drive over the DevTools protocol, through a pair of pipes: no port, no
//! network.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use support::Need;

/// For as long it may say nothing while something is waited for.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The names a browser of this kind goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A browser with one page. It ends with this value.
pub(crate) struct Browser {
    process: Child,
    to: File,
    /// What it says, as a thread reads it.
    from: Receiver<Value>,
    /// Events that came while something else was waited for.
    events: VecDeque<Value>,
    session: Option<String>,
    last: u64,
    /// Its profile, its pipes, and the files that pages are read from and saved to.
    pub(crate) folder: tempfile::TempDir,
}

/// The first of them that can be run.
fn program() -> Option<&'static str> {
    let need = |program: &str| Need::Program {
        program: program.to_owned(),
        name: "browser",
        remedy: "install Chromium, or a browser made of it",
    };
    let found = NAMES.into_iter().find(|name| support::look(&need(name)).is_ok());
    // Where there is none, this says so and counts it.
    found.or_else(|| support::has(&need(NAMES[0])).then_some(NAMES[0]))
}

/// Reads what the browser says until it ends.
fn said(from: File) -> Receiver<Value> {
    let (to_us, said) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(from).split(0) {
            let message = message.expect("the browser can be heard");
            let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
            // Whoever listened has ended.
            if to_us.send(message).is_err() {
                return;
            }
        }
    });
    said
}

impl Browser {
    /// A browser with an empty page. Where there is none the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (to, from) = (folder.path().join("to"), folder.path().join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().expect("mkfifo is there");
        assert!(made.success(), "mkfifo makes two pipes");
        // The browser reads requests from descriptor 3 and writes answers to descriptor 4: a shell can give
        // it those.
        let process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<to 4>from"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-pipe", "--hide-scrollbars", "about:blank"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let to = OpenOptions::new().write(true).open(to).expect("the shell opens the other end");
        let from = said(File::open(from).expect("the shell opens the other end"));
        let mut browser = Self { process, to, from, events: VecDeque::new(), session: None, last: 0, folder };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Accessibility.enable"] {
            browser.call(domain, &json!({}));
        }
        browser.window(1280, 900);
        Some(browser)
    }

    /// Calls a method of the protocol and gives its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut request = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{request}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.next();
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    fn next(&mut self) -> Value {
        self.from.recv_timeout(SILENCE_MAX).expect("the browser says something within a minute")
    }

    /// Waits for an event of the protocol, which may have come already.
    pub(crate) fn await_event(&mut self, method: &str) -> Value {
        loop {
            let message = self.events.pop_front().unwrap_or_else(|| self.next());
            if message["method"] == json!(method) {
                return message["params"].clone();
            }
        }
    }

    /// The size of the window.
    pub(crate) fn window(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the page is shown on: `prefers-color-scheme`, `forced-colors` and such.
    pub(crate) fn media(&mut self, kind: &str, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call("Emulation.setEmulatedMedia", &json!({ "media": kind, "features": features }));
    }

    /// Shows a page.
    pub(crate) fn show(&mut self, html: &str) {
        let file = self.folder.path().join("page.html");
        std::fs::write(&file, html).expect("the temporary folder takes a file");
        self.open(&file);
    }

    /// Shows a file.
    pub(crate) fn open(&mut self, file: &Path) {
        // Of a page that was shown before.
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        self.await_event("Page.loadEventFired");
        // Sizes are told to scripts with the first frame, and the one after it has what they make of them.
        self.settle();
    }

    /// Waits until what was last done is on the screen.
    pub(crate) fn settle(&mut self) {
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// The value of an expression in the page, a promise's when it is kept.
    pub(crate) fn run(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true });
        let result = self.call("Runtime.evaluate", &parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The text of an expression's value.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        match self.run(expression) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Presses a key: its name, as in `ArrowLeft`; `Shift+` before it holds that down.
    pub(crate) fn press(&mut self, key: &str) {
        let (shift, key) = key.strip_prefix("Shift+").map_or((0, key), |key| (8, key));
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "modifiers": shift });
            if key == "Enter" {
                event["text"] = json!("\r");
            }
            let code = match key {
                "Tab" => 9,
                "Enter" => 13,
                "Escape" => 27,
                _ => 0,
            };
            event["windowsVirtualKeyCode"] = json!(code);
            self.call("Input.dispatchKeyEvent", &event);
        }
        self.settle();
    }

    /// What a screen reader is told of the page: role and name of everything that is not ignored.
    pub(crate) fn spoken(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", &json!({}));
        let of = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .iter()
            .filter(|node| node["ignored"] == json!(false))
            .map(|node| (of(node, "role"), of(node, "name")))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let request = format!("{}\0", json!({ "id": self.last + 1, "method": "Browser.close" }));
        if self.to.write_all(request.as_bytes()).is_err() {
            self.process.kill().ok();
        }
        self.process.wait().ok();
    }
}
