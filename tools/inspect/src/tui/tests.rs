//! The terminal UI on a terminal in memory.

use fluxdb::{Database, Options};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::App;
use super::draw::draw;

fn sample(path: &std::path::Path) {
    let db = Database::open_with(path, Options::default().page_size(4096)).unwrap();
    db.connect()
        .execute(
            "CREATE TABLE weather AS SELECT i AS id, 'station ' || i % 3 AS station, 20 + i % 10 AS degrees
             FROM range(5000) r(i); CREATE TABLE empty(i INTEGER); DELETE FROM weather WHERE id = 7",
        )
        .unwrap();
    db.close().unwrap();
}

struct Session {
    app: App,
    terminal: Terminal<TestBackend>,
}

impl Session {
    fn new(path: &std::path::Path) -> Self {
        let mut session = Self {
            app: App::open(path).unwrap_or_else(|_| panic!("the file can be opened")),
            terminal: Terminal::new(TestBackend::new(80, 24)).unwrap(),
        };
        session.text();
        session
    }

    fn press(&mut self, keys: &str) -> String {
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                c => KeyCode::Char(c),
            };
            self.app.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        self.text()
    }

    fn text(&mut self) -> String {
        self.terminal.draw(|frame| draw(&mut self.app, frame)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let lines = (0..24).map(|y| (0..80).map(|x| buffer[(x, y)].symbol()).collect::<String>());
        lines.map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn from_the_map_to_the_bytes_of_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    sample(&path);
    let mut session = Session::new(&path);
    let map = session.text();
    assert!(map.contains("t.flux") && map.lines().nth(1).unwrap().starts_with("SS"), "{map}");
    assert!(map.contains("superblock 2") && map.contains("deletes 1"), "{map}");
    assert!(session.press("l").contains("page 1: superblock"));
    let bytes = session.press("\n");
    assert!(bytes.contains("89 46 4c 55 58 0d 0a 1a") && bytes.contains("magic"), "{bytes}");
    // Numbers are where the eye is, however long a text is in their column.
    let size = bytes.lines().find(|line| line.contains("page size")).unwrap();
    assert!(size.contains("page size") && size.contains("4096"), "{bytes}");
    let tables = session.press("qt");
    assert!(tables.contains("main.weather") && tables.contains("5000"), "{tables}");
    let chunks = session.press("/weather\n\n");
    assert!(chunks.contains("chunks of main.weather") && chunks.contains("dictionary"), "{chunks}");
    let blocks = session.press("/station\n\n");
    assert!(
        blocks.contains("blocks of main.weather.station") && blocks.contains("dictionary(codes: "),
        "{blocks}"
    );
    let block = session.press("G\n");
    assert!(block.contains("block 2") && block.contains("codec"), "{block}");
    let back = session.press("qqqm");
    assert!(back.contains("superblock 2"), "{back}");
    session.press("q");
    assert!(session.app.done);
}

#[test]
fn a_page_by_number_and_search() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    sample(&path);
    let mut session = Session::new(&path);
    assert!(session.press(":0\n").contains("page 0"));
    assert!(session.press("q:999999\n").contains("is not a page"));
    assert!(session.press("/heap\n").contains("heap catalog"));
    assert!(session.press("/nothing of the kind\n").contains("no 'nothing of the kind' here"));
    assert!(session.press("H").contains("half a page"));
    assert!(!session.press("H").contains("half a page"));
    assert!(session.press(":help\n").contains("half a page"));
    session.press(" ");
    session.press(":q\n");
    assert!(session.app.done);
}

#[test]
fn counts_and_searches_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    sample(&path);
    let mut session = Session::new(&path);
    session.press(":0\n");
    let mut line = |keys: &str| {
        session.press(keys);
        session.app.screen().cursor + 1
    };
    let start = line("");
    assert_eq!(line("12j"), start + 12);
    assert_eq!(line("10k"), start + 2);
    assert_eq!((line("7G"), line("3g"), line("g")), (7, 3, 1));
    let last = line("G");
    assert_eq!(line("99999999999999999999999j"), last);
    assert_eq!(line("1k"), last - 1);
    // Onwards it goes round; n repeats it, N goes the other way.
    let first = line("g/page\n");
    let second = line("n");
    assert!(first < second);
    assert_eq!(line("N"), first);
    let third = line("nn");
    assert_eq!((line("2N"), line("2n")), (first, third));
    assert_eq!(line("?page\n"), second);
    assert_eq!((line("n"), line("N")), (first, second));
    assert_eq!(session.press("4l0").lines().count(), 24);
    assert_eq!(session.app.screen().left, 0);
}

#[test]
fn it_sees_what_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    sample(&path);
    let mut session = Session::new(&path);
    assert!(!session.press("t").contains("main.later"));
    let db = Database::open(&path).unwrap();
    db.connect().execute("CREATE TABLE later AS FROM range(10)").unwrap();
    db.connect().execute("CHECKPOINT").unwrap();
    session.app.refresh_if_changed();
    let tables = session.text();
    assert!(tables.contains("main.later"), "{tables}");
}

#[test]
fn damaged_files_and_small_terminals_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    sample(&path);
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(997) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        if at % 3 == 0 {
            bytes.truncate(at);
        }
        std::fs::write(&path, &bytes).unwrap();
        let mut session = Session::new(&path);
        session.press("\nGq");
        session.press("t\n\n\nGgqqq");
        session.press("Glllhjk/x\nnN");
    }
    std::fs::write(&path, &good).unwrap();
    for (width, height) in [(1, 1), (3, 2), (10, 4), (200, 60)] {
        let mut session = Session::new(&path);
        session.terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        for keys in ["", "\n", "G", "t", "\n", "\n", "\n", "H", " "] {
            for key in keys.chars() {
                let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
                session.app.key(KeyEvent::new(code, KeyModifiers::NONE));
            }
            session.terminal.draw(|frame| draw(&mut session.app, frame)).unwrap();
        }
    }
}
