//! Every corpus runs through its target: what the fuzzer has seen holds, and each of its finds stays mended.

use std::fs;
use std::path::Path;

#[test]
fn every_corpus_runs_through_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in sekisho_fuzz::TARGETS {
        let entries = fs::read_dir(folder.join(name)).unwrap_or_else(|error| {
            panic!("{name} has no corpus: {error}");
        });
        let mut count = 0;
        for entry in entries {
            let path = entry.expect("a file").path();
            let bytes =
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            println!("{}", path.display());
            target(&bytes);
            count += 1;
        }
        assert!(count >= 20, "{name}: only {count} files");
    }
}
