//! What programs get of a fixed small file that has a log: `docs/weather-live.flux`, a copy of a database that was in use.
//! `FLUXDB_UPDATE=1 cargo test --workspace --test golden` writes the answers in `tests/golden/`.

use std::path::Path;
use std::process::Command;

#[test]
fn json_of_a_file_with_a_log() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, words) in [
        ("summary", ""),
        ("pages", "pages"),
        ("wal", "wal"),
        ("frame", "wal 1"),
        ("page_of_the_log", "page 13 --hex"),
        ("coverage", "coverage"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_inspect"))
            .current_dir(here.join("../../docs"))
            .args(["weather-live.flux", "--json"])
            .args(words.split_whitespace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        let answer = String::from_utf8(output.stdout).unwrap();
        let path = here.join("tests/golden").join(name).with_extension("json");
        if std::env::var_os("FLUXDB_UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, answer).unwrap();
            continue;
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        for (number, (was, is)) in golden.lines().zip(answer.lines()).enumerate() {
            assert_eq!(was, is, "line {} of {}", number + 1, path.display());
        }
        assert_eq!(golden.len(), answer.len(), "{}", path.display());
    }
}
