use std::fs;

use proptest::prelude::*;

use super::*;
use crate::disk::HostDisk;
use crate::error::Kind;

fn head() -> Head {
    Head {
        plan: Hash([1; 32]),
        snapshot: "20261124T120000Z-1".to_owned(),
        node: 3,
        checkpoint: Hash([2; 32]),
    }
}

fn partition(name: &str) -> FinishedPartition {
    FinishedPartition {
        partition: name.to_owned(),
        log_start: 0,
        first_base: 0,
        end: 9,
        files: [("00000000000000000000.log".to_owned(), 100)].into(),
        digest: Hash([3; 32]),
    }
}

fn begun(directory: &Path) -> ProgressFile {
    let record = Record {
        head: head(),
        finished: BTreeMap::new(),
        applied: false,
    };
    ProgressFile::open(&HostDisk, directory, record).unwrap()
}

fn read(directory: &Path) -> Result<Option<Record>> {
    Ok(ProgressFile::read(&HostDisk, directory)?.map(|file| file.record))
}

#[test]
fn what_was_noted_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(folder.path()).unwrap(), None);
    let mut file = begun(folder.path());
    file.note(&HostDisk, vec![partition("b-0"), partition("a-0")]).unwrap();
    assert_eq!(read(folder.path()).unwrap().unwrap(), file.record);
    assert!(!file.record.applied);
    file.applied(&HostDisk).unwrap();
    let record = read(folder.path()).unwrap().unwrap();
    assert!(record.applied);
    assert_eq!((record.head, record.finished.len()), (head(), 2));
}

#[test]
fn a_torn_line_was_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = begun(folder.path());
    file.note(&HostDisk, vec![partition("a-0")]).unwrap();
    file.note(&HostDisk, vec![partition("b-0")]).unwrap();
    let path = folder.path().join(NAME);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let names: Vec<String> = read(folder.path()).unwrap().unwrap().finished.into_keys().collect();
    assert_eq!(names, ["a-0"]);
}

#[test]
fn a_partition_is_intact_only_with_exactly_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a-0");
    let intact = || partition("a-0").is_intact(&HostDisk, &directory).unwrap();
    assert!(!intact());
    fs::create_dir(&directory).unwrap();
    assert!(!intact());
    fs::write(directory.join("00000000000000000000.log"), [0; 100]).unwrap();
    assert!(intact());
    fs::write(directory.join("more"), "").unwrap();
    assert!(!intact());
    fs::remove_file(directory.join("more")).unwrap();
    fs::write(directory.join("00000000000000000000.log"), [0; 99]).unwrap();
    assert!(!intact());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_is_refused_or_ignored(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..800_usize) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), &bytes).unwrap();
        if let Err(error) = read(folder.path()) {
            prop_assert_eq!(error.kind(), Kind::Failed);
        }
        begun(folder.path()).note(&HostDisk, vec![partition("a-0"), partition("b-0")]).unwrap();
        let path = folder.path().join(NAME);
        let mut text = fs::read(&path).unwrap();
        text.truncate(cut);
        text.extend_from_slice(&bytes);
        fs::write(&path, text).unwrap();
        let _ = read(folder.path());
    }
}
