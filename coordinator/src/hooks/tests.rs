use super::*;

fn hook(script: &str, timeout: Duration, on_failure: OnFailure) -> Hook {
    Hook {
        name: "application".to_owned(),
        command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        moments: vec![HookMoment::Cut],
        timeout,
        on_failure,
    }
}

fn occasion() -> Occasion {
    Occasion {
        moment: "cut",
        cluster_id: "cluster".to_owned(),
        run: 7,
        attempt: 3,
        label: "nightly".to_owned(),
        snapshot: None,
        cuts: vec![CutOffset {
            topic: "orders".to_owned(),
            partition: 2,
            offset: 41,
        }],
        reason: None,
    }
}

async fn result(hook: Hook) -> HookResult {
    let results = run_all(Arc::new(vec![hook]), HookMoment::Cut, occasion()).await;
    results.into_iter().next().expect("it is due")
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_command_reads_the_cut_offsets_and_what_it_prints_is_kept() {
    let result = result(hook("cat", LONG, OnFailure::Fail)).await;
    assert_eq!((result.exit_code, &result.error), (Some(0), &None));
    let said: serde_json::Value = serde_json::from_str(&result.output).unwrap();
    assert_eq!(said["cuts"][0]["topic"], "orders");
    assert_eq!(said["cuts"][0]["offset"], 41);
    assert_eq!(said["label"], "nightly");
    assert!(said.get("snapshot").is_none());
}

#[tokio::test]
async fn a_command_that_fails_says_how() {
    let result = result(hook("echo no space >&2; exit 9", LONG, OnFailure::Continue)).await;
    assert_eq!(result.exit_code, Some(9));
    assert!(result.error.is_some_and(|error| error.contains("exit code 9")));
    assert_eq!(result.output, "no space\n");
    assert!(result.may_fail);
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_and_named_late() {
    let marker = tempfile::tempdir().unwrap();
    let late = marker.path().join("late");
    let script = format!("sleep 1; touch {}", late.display());
    let result = result(hook(&script, Duration::from_millis(200), OnFailure::Fail)).await;
    assert_eq!(result.exit_code, None);
    assert!(result.error.is_some_and(|error| error.contains("did not end")));
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert!(!late.exists(), "it went on after it was given up");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_failure() {
    let mut absent = hook("", LONG, OnFailure::Fail);
    absent.command = vec!["/no/such/program".to_owned()];
    let result = result(absent).await;
    assert!(result.error.is_some_and(|error| error.contains("cannot be run")));
}

#[tokio::test]
async fn a_command_that_prints_without_end_does_not_fill_the_memory() {
    let result = result(hook("head -c 10000000 /dev/zero | tr '\\0' 'é'", LONG, OnFailure::Fail)).await;
    assert_eq!(result.exit_code, Some(0));
    assert!(result.output.len() <= OUTPUT);
}

#[tokio::test]
async fn only_the_hooks_of_the_moment_are_run() {
    let hooks = Arc::new(vec![hook("exit 0", LONG, OnFailure::Fail)]);
    assert!(any_at(&hooks, HookMoment::Cut) && !any_at(&hooks, HookMoment::Start));
    assert!(run_all(hooks, HookMoment::Start, occasion()).await.is_empty());
}
