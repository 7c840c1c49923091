//! What a user may rely on when a configuration is loaded.

use std::time::Duration;

use crate::{
    ByteSize, Config, Effective, Layers, LoadError, OnReturn, Origin, Problem, Profile, RestartPolicy, State, built_in,
};

fn file(text: &str) -> Layers {
    Layers::new().text("oast.toml", text)
}

fn problems(layers: Layers) -> Vec<Problem> {
    match layers.load() {
        Err(LoadError::Invalid(problems)) => problems,
        other => panic!("expected problems, not {other:?}"),
    }
}

/// All that is wrong, as a person sees it.
fn complaint(layers: Layers) -> String {
    LoadError::Invalid(problems(layers)).to_string()
}

fn origin(effective: &Effective, section: &str, key: &str) -> Origin {
    let found = effective.settings().into_iter().find(|setting| setting.section == section && setting.key == key);
    found.unwrap().origin.clone()
}

#[test]
fn the_embedded_files_are_a_configuration() {
    let config = Config::default();
    assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["notebook", "trusted", "untrusted"]);
    assert!(config.profile(&config.profile).is_ok());
    assert_eq!(Profile::trusted().state, State::None);
    assert_eq!(Profile::trusted().on_return, OnReturn::Reset);

    let notebook = Profile::notebook();
    assert_eq!((notebook.state, notebook.restart.policy), (State::Kept, RestartPolicy::Permanent));
    assert_eq!(notebook.limits.wall_time, None);
    assert_eq!(notebook.limits.memory_soft, Some(ByteSize::mib(1536)));

    let untrusted = Profile::untrusted();
    assert_eq!(untrusted.limits.memory, Some(ByteSize::mib(256)));
    assert_eq!(untrusted.limits.memory_soft, Some(ByteSize::mib(192)));
    assert_eq!(untrusted.limits.growth, Some(ByteSize::mib(128)));
    assert_eq!(untrusted.sandbox.data, Some(ByteSize::mib(512)));
    assert_eq!(untrusted.limits.cpu_time, Some(Duration::from_secs(10)));
}

#[test]
fn every_key_has_a_comment_above_it() {
    let profiles = built_in::PROFILES.iter().map(|(_, text)| *text);
    for text in std::iter::once(built_in::DEFAULT).chain(profiles) {
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| !pair[1].is_empty() && !pair[1].starts_with('#')) {
            assert!(pair[0].starts_with("# "), "no comment above `{}`", pair[1]);
        }
        assert!(lines.iter().all(|line| line.len() <= 120), "a line is too wide");
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let text = "[registry]\nworkers = 2\npool_max = 3\nevents = 4\n";
    let variables = [("OAST_REGISTRY__WORKERS", "20"), ("OAST_REGISTRY__POOL_MAX", "30")];
    // Given in the opposite order: the layers decide, not the calls.
    let layers = Layers::new().set("registry.workers", "200").variables(variables).text("oast.toml", text);
    let effective = layers.load().unwrap();
    let registry = &effective.config().registry;
    assert_eq!((registry.workers, registry.pool_max, registry.events, registry.pool_min), (200, 30, 4, 1));
    assert_eq!(origin(&effective, "registry", "workers"), Origin::Flag("--set".to_owned()));
    assert_eq!(origin(&effective, "registry", "pool_max"), Origin::Variable("OAST_REGISTRY__POOL_MAX".to_owned()));
    assert_eq!(origin(&effective, "registry", "events"), Origin::File { path: "oast.toml".into(), line: 4 });
    assert_eq!(origin(&effective, "registry", "pool_min"), Origin::Default);
}

#[test]
fn an_unknown_key_names_its_line_what_is_allowed_and_what_was_meant() {
    let shown = complaint(file("# mine\n\n[profiles.notebook.limits]\nmemroy = \"1GiB\"\n"));
    assert!(
        shown.starts_with("oast.toml:4: unknown key `profiles.notebook.limits.memroy`; there are `wall_time`"),
        "{shown}"
    );
    assert!(shown.ends_with("\nhint: did you mean `profiles.notebook.limits.memory`?"), "{shown}");
}

#[test]
fn an_unknown_section_is_one_problem_at_its_header() {
    let found = problems(file("\n[regstry]\nworkers = 1\nevents = 2\n"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].origin, Origin::File { path: "oast.toml".into(), line: 2 });
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `registry`?"));
}

#[test]
fn a_key_in_the_wrong_place_is_shown_the_right_one() {
    assert!(complaint(file("[limits]\nmemory = \"1GiB\"\n")).contains("did you mean `profiles.NAME.limits`?"));
    assert!(complaint(file("pool_min = 1")).ends_with("did you mean `registry.pool_min`?"));
    assert!(complaint(file("registry = 3")).contains("`registry` is a section, not a value; there are `workers`"));
    assert!(complaint(file("[profile]\nname = 3")).contains("oast.toml:1: `profile` is a value, not a section"));
    let variable = Layers::new().variables([("OAST_REGISTRY_WORKERS", "3")]);
    assert!(complaint(variable).ends_with("hint: did you mean `OAST_REGISTRY__WORKERS`?"));
}

#[test]
fn a_bad_value_names_its_place_and_what_is_allowed() {
    let shown = complaint(file("[profiles.untrusted.limits]\nmemory = \"12XB\"\nwall_time = 30\nqueue = -1"));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "all at once: {shown}");
    let line = |number: &str| lines.iter().find(|line| line.starts_with(&format!("oast.toml:{number}: "))).unwrap();
    let memory = line("2");
    assert!(
        memory.contains("bad value `\"12XB\"` for `profiles.untrusted.limits.memory`: unknown unit `XB`"),
        "{memory}"
    );
    assert!(memory.ends_with("expected a size such as `256MiB`, `1GiB` or `500kB`, or `unlimited`"), "{memory}");
    assert!(line("3").ends_with("expected a time such as `250ms`, `30s`, `5m` or `1m30s`, or `unlimited`"));
    assert!(line("4").ends_with("expected a whole number such as `8`"));

    let shown = complaint(Layers::new().set("profiles.notebook.state", "keep"));
    assert!(
        shown.starts_with("--set: bad value `\"keep\"` for `profiles.notebook.state`: unknown variant `keep`"),
        "{shown}"
    );
    assert!(shown.contains("`kept` or `none`"), "{shown}");
    let shown = complaint(file("[profiles.untrusted.sandbox]\nrequire = [\"moat\"]"));
    assert!(shown.contains("`moat`") && shown.contains("`user-namespaces`"), "{shown}");
    let shown = complaint(Layers::new().variables([("OAST_JAVASCRIPT__MODULES", "yes")]));
    assert!(shown.starts_with("$OAST_JAVASCRIPT__MODULES: bad value `\"yes\"`"), "{shown}");
}

#[test]
fn what_is_no_toml_names_its_line() {
    let shown = complaint(file("profile = \"trusted\"\nruntime = \n"));
    assert!(shown.starts_with("oast.toml:2: not TOML: "), "{shown}");
    assert!(complaint(file("profile = \"a\"\nprofile = \"b\"\n")).starts_with("oast.toml:2: not TOML: duplicate key"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_cause() {
    let error = Layers::new().file("/nowhere/oast.toml").unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration `/nowhere/oast.toml`");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn one_key_of_a_built_in_profile_can_be_set_and_shares_follow() {
    let effective = file("[profiles.notebook.limits]\nmemory = \"1GiB\"").load().unwrap();
    let notebook = effective.config().profile("notebook").unwrap();
    let mut expected = Profile::notebook();
    expected.limits.memory = Some(ByteSize::gib(1));
    expected.limits.memory_soft = Some(ByteSize::mib(768));
    expected.sandbox.data = Some(ByteSize::gib(2));
    assert_eq!(*notebook, expected);

    let effective = file("[profiles.notebook.limits]\nmemory = 1000000").load().unwrap();
    assert_eq!(effective.config().profiles["notebook"].limits.memory_soft, Some(ByteSize(750_000)));
}

#[test]
fn a_new_profile_is_its_base_and_what_it_says() {
    let text = "[profiles.exam]\nbase = \"strict\"\nlimits.queue = 7\n[profiles.strict]\nbase = \"untrusted\"\nlimits.cpu_time = \"1s\"\n[profiles.mine]\n";
    let effective = file(text).variables([("OAST_PROFILES__UNTRUSTED__STATE", "kept")]).load().unwrap();
    let mut expected = Profile::untrusted();
    expected.state = State::Kept;
    expected.limits.cpu_time = Some(Duration::from_secs(1));
    expected.limits.queue = 7;
    assert_eq!(*effective.config().profile("exam").unwrap(), expected);
    assert_eq!(*effective.config().profile("mine").unwrap(), Profile::notebook(), "the default base");
}

#[test]
fn a_wrong_base_is_refused() {
    let shown = complaint(file("[profiles.exam]\nbase = \"untrustd\""));
    assert!(
        shown.starts_with("oast.toml:2: bad value `untrustd` for `profiles.exam.base`: unknown profile, one of"),
        "{shown}"
    );
    assert!(shown.ends_with("hint: did you mean `untrusted`?"), "{shown}");
    let shown = complaint(file("[profiles.a]\nbase = \"b\"\n[profiles.b]\nbase = \"a\""));
    assert!(shown.contains("profiles build on each other in a circle: `a` on `b` on `a`"), "{shown}");
    assert!(complaint(file("profiles.a.base = \"a\"")).contains("in a circle: `a` on `a`"));
    assert!(complaint(file("profiles.a.base = 1")).contains("bad value `1` for `profiles.a.base`: expected a profile"));
    let shown = complaint(file("profiles.trusted.base = \"notebook\""));
    assert!(shown.contains("the built-in profile `trusted` is complete and has no base"), "{shown}");
}

#[test]
fn a_mistyped_profile_does_not_become_a_new_one() {
    let shown = complaint(file("[profiles.notbook.limits]\nmemory = \"1GiB\""));
    assert!(shown.starts_with("oast.toml:2: unknown profile `notbook`"), "{shown}");
    assert!(shown.contains("hint: did you mean `notebook`?"), "{shown}");
    assert!(file("profiles.notebook2.base = \"notebook\"").load().is_ok());
}

#[test]
fn values_that_contradict_each_other_are_refused_where_the_latest_is_written() {
    let text = "[profiles.exam.limits]\nmemory_soft = \"3GiB\"\n";
    let shown = complaint(file(text));
    assert!(
        shown.starts_with("oast.toml:2: in profile `exam`, `limits.memory_soft` is 3GiB, over `limits.memory`"),
        "{shown}"
    );
    assert!(complaint(file(text).set("profiles.exam.limits.memory", "1GiB")).starts_with("--set: in profile `exam`"));

    for (text, part) in [
        (
            "profile = \"exma\"\n[profiles.exam]",
            "unknown profile, one of `exam`, `notebook`, `trusted`, `untrusted`\nhint: did you mean `exam`?",
        ),
        ("profiles.trusted.restart.period = \"0s\"", "`restart.period` is zero"),
        ("profiles.trusted.restart.backoff_min = \"1m\"", "`restart.backoff_min` is 1m, over `restart.backoff_max`"),
        ("profiles.trusted.limits.queue = 0", "`limits.queue` is zero"),
        ("registry.pool_min = 9", "`registry.pool_min` is 9, over `registry.pool_max`"),
        ("javascript.memory = \"100%\"", "is 100% of the worker's limit"),
        ("javascript.stack = \"6MiB\"", "less than twice `javascript.stack`"),
    ] {
        let shown = complaint(file(text));
        assert!(shown.starts_with("oast.toml:1: ") && shown.contains(part), "{shown}");
    }
}

#[test]
fn the_rendering_says_where_each_value_came_from_and_loads_to_the_same() {
    let text = "[profiles.\"my exam\"]\nbase = \"untrusted\"\nsandbox.environment = [\"A\\\"B\", \"C\"]\n";
    let layers = file(text).variables([("OAST_PROFILES__UNTRUSTED__LIMITS__QUEUE", "9")]).set("log.level", "info");
    let effective = layers.load().unwrap();
    let rendered = effective.render();
    let line = |start: &str| {
        let section = rendered.split("[profiles.\"my exam\"").skip(1).collect::<String>();
        section
            .lines()
            .find(|line| line.starts_with(start))
            .map(|line| line.split("   # ").last().unwrap().trim().to_owned())
    };
    assert_eq!(line("environment").unwrap(), "from oast.toml:3");
    assert_eq!(line("queue = 9").unwrap(), "from profile untrusted, $OAST_PROFILES__UNTRUSTED__LIMITS__QUEUE");
    assert_eq!(line("grace").unwrap(), "from profile untrusted, default");
    assert!(rendered.contains("level = \"info\"   # from --set\n"), "{rendered}");
    assert!(rendered.starts_with("profile = \"notebook\""), "{rendered}");

    let again = Layers::new().text("rendered.toml", rendered.as_str()).load().unwrap();
    assert_eq!(again.config(), effective.config());
}

#[test]
fn the_typed_configuration_goes_through_json_unchanged() {
    let mut config = Config::default();
    config.profiles.values_mut().for_each(|profile| profile.limits.evaluations = Some(3));
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains("\"memory\":\"256MiB\"") && json.contains("\"wall_time\":\"unlimited\""), "{json}");
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

#[test]
fn formats_for_machines_get_numbers() {
    let layout = bincode::config::legacy();
    let bytes = bincode::serde::encode_to_vec(ByteSize::kib(1), layout).unwrap();
    assert_eq!(bytes, 1024_u64.to_le_bytes());

    let config = Config::default();
    let bytes = bincode::serde::encode_to_vec(&config, layout).unwrap();
    assert_eq!(bincode::serde::decode_from_slice(&bytes, layout).unwrap(), (config, bytes.len()));
}
