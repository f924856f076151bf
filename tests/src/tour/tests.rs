use std::time::Duration;

use super::{Step, Terminal, replace, steps};

const TEXT: &str = "\
# A page

```sh
before the tour
```

## Tour

Some words.

```sh
one --path /a   # why

two
```
<!-- tour: the sky falls -->
```toml
# file.toml
key = \"/a\"
```
```text
no step
```

### More

```sh
three
```

## After

```sh
four
```
";

fn typed(text: &str) -> Step {
    Step::Type(text.to_owned())
}

#[test]
fn the_steps_of_a_section_come_in_their_order() {
    let found = steps(TEXT, "## Tour").unwrap();
    let save = Step::Save {
        name: "file.toml".to_owned(),
        text: "# file.toml\nkey = \"/a\"\n".to_owned(),
    };
    assert_eq!(
        found,
        [
            typed("one --path /a   # why"),
            typed("two"),
            Step::Happens("the sky falls".to_owned()),
            save,
            typed("three")
        ]
    );
    assert!(steps(TEXT, "## Nowhere").is_err());
    assert!(steps("## Tour\n```sh\none\n", "## Tour").is_err());
    assert!(steps("## Tour\n```toml\nkey = 1\n```\n", "## Tour").is_err());
}

#[test]
fn what_is_replaced_must_be_there() {
    let mut found = steps(TEXT, "## Tour").unwrap();
    replace(&mut found, &[("/a", "/b".to_owned())]).unwrap();
    assert_eq!(found.first(), Some(&typed("one --path /b   # why")));
    assert!(replace(&mut found, &[("/a", "/c".to_owned())]).is_err());
}

#[test]
fn a_terminal_remembers_variables_and_notices_failures() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open(folder.path(), folder.path()).unwrap();
    terminal.run("export COLOUR=green").unwrap();
    assert_eq!(
        terminal.run("echo \"$COLOUR\"; pwd  # both").unwrap().lines().next(),
        Some("green")
    );
    let failed = terminal.run("echo alas >&2; false").unwrap_err();
    assert!(failed.contains("exit code 1") && failed.contains("alas"), "{failed}");
    let second = Duration::from_secs(1);
    terminal.keep("sh -c 'echo up; sleep 60'", "up", 10 * second).unwrap();
    assert!(terminal.keep("echo down", "up", 10 * second).is_err());
}
