//! Every layer, who wins, where values come from, and what refusals say.

use std::fs;
use std::time::Duration;

use super::*;

#[derive(Debug, Clone, PartialEq)]
struct Kennel {
    place: String,
    dogs: Vec<String>,
    food: Size,
    walk: Duration,
    barks: bool,
    vet: Option<PathBuf>,
    chip: String,
}

impl Default for Kennel {
    fn default() -> Self {
        Kennel {
            place: "shed".into(),
            dogs: vec!["rex".into()],
            food: Size(3000),
            walk: Duration::from_secs(90),
            barks: false,
            vet: None,
            chip: "s3cret".into(),
        }
    }
}

const ROW: Setting<Kennel> = Setting {
    name: "kennel_place",
    also: &[],
    section: "Home",
    value: "TEXT",
    field: |k| &mut k.place,
    secret: false,
    fallback_variable: Some("YARD_DIRECTORY"),
    doc: "Where it stands.",
};

const PLAIN: Setting<Kennel> = Setting { fallback_variable: None, ..ROW };

const KENNEL: Settings<Kennel> = Settings {
    command: "kennel",
    spelling: &Spelling::LEVERET,
    table: &[
        ROW,
        Setting { name: "kennel_dogs", field: |k| &mut k.dogs, doc: "Who lives there.", ..PLAIN },
        Setting { name: "food", section: "Care", field: |k| &mut k.food, doc: "Bytes.", ..PLAIN },
        Setting { name: "walk", section: "Care", field: |k| &mut k.walk, doc: "A|B.", ..PLAIN },
        Setting { name: "barks", section: "Care", field: |k| &mut k.barks, doc: "Loud.", ..PLAIN },
        Setting { name: "vet", section: "Care", field: |k| &mut k.vet, doc: "Who.", ..PLAIN },
        Setting {
            name: "chip",
            section: "Care",
            secret: true,
            field: |k| &mut k.chip,
            doc: "Code.",
            ..PLAIN
        },
    ],
    check: |k| match k.walk.is_zero() {
        true => Err(Invalid::new("walk", "dogs need one")),
        false => Ok(()),
    },
};

/// The outside of one test: files in a directory of its own, variables, a command line.
#[derive(Default)]
struct World {
    files: &'static [(&'static str, &'static str)],
    variables: &'static [(&'static str, &'static str)],
    line: &'static [&'static str],
}

impl World {
    /// Loads, and gives what `--print-config` shows or the refusal; the directory reads `DIR`.
    fn outcome(&self) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in self.files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let real = directory.path().to_str().unwrap();
        let command = KENNEL.arguments(clap::Command::new("kennel"));
        let line = ["kennel"].iter().chain(self.line);
        let matches = command.try_get_matches_from(line).unwrap();
        let sources = Sources {
            config: None,
            search: vec![directory.path().join("nowhere"), directory.path().into()],
            environment: self
                .variables
                .iter()
                .map(|(name, value)| (name.into(), value.replace("DIR", real).into()))
                .collect(),
            flags: KENNEL.flags(&matches),
        };
        let outcome = match KENNEL.load(&sources) {
            Ok(loaded) => KENNEL.print(&loaded),
            Err(refusal) => refusal.to_string(),
        };
        outcome.replace(real, "DIR")
    }

    /// The line that `--print-config` shows for `setting`, with single spaces.
    fn shows(&self, setting: &str, expected: &str) {
        let outcome = self.outcome();
        let line = outcome.lines().find(|l| l.trim_start_matches("# ").starts_with(setting));
        let line = line.unwrap_or(&outcome).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line, expected);
    }
}

#[track_caller]
fn refuses(world: World, expected: &str) {
    assert_eq!(world.outcome(), expected);
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let mut world = World::default();
    world.shows("kennel_place", r#"kennel_place = "shed" # default"#);
    world.variables = &[("YARD_DIRECTORY", "/srv/yard:/srv/other")];
    world.shows("kennel_place", r#"kennel_place = "/srv/yard" # environment YARD_DIRECTORY"#);
    world.files = &[("leveret.toml", "\nkennel_place = 'file'\n")];
    world.shows("kennel_place", r#"kennel_place = "file" # DIR/leveret.toml:2"#);
    world.files = &[
        ("leveret.toml", "kennel_place = 'file'"),
        ("conf.d/10.toml", "kennel_place = 'ten'"),
        ("conf.d/20.toml", "# twenty\n[kennel]\nplace = 'twenty'"),
        ("conf.d/30.ini", "not = toml = at all"),
    ];
    world.shows("kennel_place", r#"kennel_place = "twenty" # DIR/conf.d/20.toml:3"#);
    world.variables = &[("LEVERET_KENNEL_PLACE", "env"), ("YARD_DIRECTORY", "x")];
    world.shows("kennel_place", r#"kennel_place = "env" # environment LEVERET_KENNEL_PLACE"#);
    world.line = &["--kennel-place", "flag"];
    world.shows("kennel_place", r#"kennel_place = "flag" # flag --kennel-place"#);
}

#[test]
fn lists_come_as_arrays_commas_and_repeated_flags() {
    let mut world =
        World { files: &[("leveret.toml", "kennel-dogs = ['a', 'b']")], ..World::default() };
    world.shows("kennel_dogs", r#"kennel_dogs = ["a", "b"] # DIR/leveret.toml:1"#);
    world.variables = &[("LEVERET_KENNEL_DOGS", "c, d")];
    world.shows("kennel_dogs", r#"kennel_dogs = ["c", "d"] # environment LEVERET_KENNEL_DOGS"#);
    world.line = &["--kennel-dogs=e", "--kennel-dogs=f"];
    world.shows("kennel_dogs", r#"kennel_dogs = ["e", "f"] # flag --kennel-dogs"#);
    world.line = &["--kennel-dogs="];
    world.shows("kennel_dogs", r#"kennel_dogs = [] # flag --kennel-dogs"#);
}

#[test]
fn typed_values_come_from_toml_and_text() {
    const TOML: &str = "food = 0x10\nwalk = '2m'\nbarks = true\nvet = '/v'";
    let mut world = World { files: &[("leveret.toml", TOML)], ..World::default() };
    world.shows("food", "food = 16 # DIR/leveret.toml:1");
    world.shows("walk", r#"walk = "2m" # DIR/leveret.toml:2"#);
    world.shows("barks", "barks = true # DIR/leveret.toml:3");
    world.shows("vet", r#"vet = "/v" # DIR/leveret.toml:4"#);
    world.line = &["--barks", "--vet="];
    world.shows("barks", "barks = true # flag --barks");
    world.shows("vet", "# vet is not set # flag --vet");
    world.line = &["--barks=false"];
    world.shows("barks", "barks = false # flag --barks");
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let mut world = World { line: &["--chip", "hunter2"], ..World::default() };
    world.shows("chip", "# chip is secret # flag --chip");
    world.line = &[];
    world.files = &[("pass", "hunter2\n")];
    world.variables = &[("LEVERET_CHIP_FILE", "DIR/pass")];
    world.shows("chip", "# chip is secret # environment LEVERET_CHIP_FILE");
    assert!(!world.outcome().contains("hunter2"));
    let toml = World { files: &[("leveret.toml", "chip = ['hunter2', 'x']")], ..World::default() };
    refuses(
        toml,
        "DIR/leveret.toml:1: chip: not a value that this setting takes (it is secret and not shown)",
    );
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let file = |text| World { files: text, ..World::default() };
    refuses(
        file(&[("leveret.toml", "food = 1\nkennel_dgos = ['a']")]),
        "DIR/leveret.toml:2: unknown setting kennel_dgos; did you mean kennel_dogs?",
    );
    refuses(
        file(&[("conf.d/a.toml", "[kennel]\nplaice = 'x'"), ("leveret.toml", "")]),
        "DIR/conf.d/a.toml:2: unknown setting kennel_plaice; did you mean kennel_place?",
    );
    refuses(
        file(&[("leveret.toml", "elephants = 1")]),
        "DIR/leveret.toml:1: unknown setting elephants; docs/settings.md lists every setting",
    );
    refuses(
        World { variables: &[("LEVERET_FOOT", "1")], ..World::default() },
        "unknown environment variable LEVERET_FOOT; did you mean LEVERET_FOOD?",
    );
}

#[test]
fn variables_of_a_kubernetes_service_are_not_ours() {
    let world = World {
        variables: &[
            ("LEVERET_SERVICE_HOST", "10.0.0.1"),
            ("LEVERET_SERVICE_PORT_AMQP", "5672"),
            ("LEVERET_PORT", "tcp://10.0.0.1:5672"),
            ("LEVERET_PORT_5672_TCP_ADDR", "10.0.0.1"),
            ("LEVERET_NODES_PORT_5672_TCP", "x"),
        ],
        ..World::default()
    };
    world.shows("food", "food = \"3kB\" # default");
    refuses(
        World { variables: &[("LEVERET_PORT_X", "1")], ..World::default() },
        "unknown environment variable LEVERET_PORT_X; docs/settings.md lists every setting",
    );
}

#[test]
fn bad_values_name_their_place() {
    let file = |text| World { files: text, ..World::default() };
    refuses(
        file(&[("leveret.toml", "\n\nfood = 'much'")]),
        "DIR/leveret.toml:3: food: expected a size such as \"64MiB\" or \"50MB\", got \"much\"",
    );
    refuses(
        file(&[("leveret.toml", "walk = 10")]),
        "DIR/leveret.toml:1: walk: expected a duration such as \"10s\" or \"250ms\", got \"10\"",
    );
    refuses(
        file(&[("leveret.toml", "food = [1, 2]")]),
        "DIR/leveret.toml:1: food: expected one value, got 2",
    );
    refuses(
        file(&[("leveret.toml", "food = [[1]]")]),
        "DIR/leveret.toml:1: expected text, a number, true or false",
    );
    refuses(
        file(&[("leveret.toml", "kennel_place = 'a'\n[kennel]\nplace = 'b'")]),
        "DIR/leveret.toml:3: kennel_place is already set in line 1",
    );
    refuses(
        World { variables: &[("LEVERET_BARKS", "yes")], ..World::default() },
        "LEVERET_BARKS: expected true or false, got \"yes\"",
    );
    refuses(World { line: &["--walk", "0"], ..World::default() }, "--walk: dogs need one");
    // A bad value is a mistake even where another layer wins.
    refuses(
        World { files: &[("leveret.toml", "barks = 1")], line: &["--barks"], ..World::default() },
        "DIR/leveret.toml:1: barks: expected true or false, got \"1\"",
    );
}

#[test]
fn broken_toml_names_its_line() {
    let world = World { files: &[("leveret.toml", "food = 1\nwalk =\n")], ..World::default() };
    let refusal = world.outcome();
    assert!(refusal.starts_with("DIR/leveret.toml:2: "), "{refusal}");
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
}

#[test]
fn a_named_file_must_exist() {
    let mut world =
        World { variables: &[("LEVERET_CONFIG", "DIR/absent.toml")], ..World::default() };
    refuses(
        World { ..world },
        "cannot read the configuration file DIR/absent.toml: No such file or directory (os error 2)",
    );
    world.files = &[("named.toml", "food = 7"), ("leveret.toml", "food = 8")];
    world.variables = &[("LEVERET_CONFIG", "DIR/named.toml")];
    world.shows("food", "food = 7 # DIR/named.toml:1");
}

#[test]
fn what_is_printed_can_be_read_again() {
    let printed = World::default().outcome();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE_NAME), &printed).unwrap();
    let sources = Sources { search: vec![directory.path().into()], ..Sources::default() };
    assert_eq!(KENNEL.load(&sources).unwrap().config, Kennel::default());
}

#[test]
fn the_page_shows_names_defaults_and_docs() {
    let page = KENNEL.markdown();
    for expected in [
        "## Home\n",
        "| `kennel_place` | `--kennel-place TEXT`, `LEVERET_KENNEL_PLACE`; default also from \
         `YARD_DIRECTORY` | `\"shed\"` | Where it stands. |",
        "| `walk` | `--walk TEXT`, `LEVERET_WALK` | `\"90s\"` | A\\|B. |",
        "| `vet` | `--vet TEXT`, `LEVERET_VET` | not set | Who. |",
        "`LEVERET_CHIP_FILE`",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}

#[test]
fn sizes_have_the_units_of_rabbitmq_and_print_exactly() {
    for (text, bytes, printed) in [
        ("64MiB", 64 << 20, "\"64MiB\""),
        ("64M", 64 << 20, "\"64MiB\""),
        ("1 GiB", 1 << 30, "\"1GiB\""),
        ("50MB", 50_000_000, "\"50MB\""),
        ("50mb", 50_000_000, "\"50MB\""),
        ("2k", 2048, "\"2KiB\""),
        ("1500", 1500, "1500"),
        ("0", 0, "0"),
        ("1048577", 1_048_577, "1048577"),
        ("1TB", 1_000_000_000_000, "\"1TB\""),
    ] {
        assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text}");
        assert_eq!(Scalar::toml(&Size(bytes)), printed, "{text}");
    }
    for text in ["", "MiB", "-1", "1.5GiB", "1PiB", "99999999999TiB"] {
        assert!(Size::parse(text).is_err(), "{text}");
    }
}

#[test]
fn durations_have_units_and_print_exactly() {
    for (text, ms, printed) in [
        ("10s", 10_000, "\"10s\""),
        ("250ms", 250, "\"250ms\""),
        ("90s", 90_000, "\"90s\""),
        ("120s", 120_000, "\"2m\""),
        ("1h", 3_600_000, "\"1h\""),
        ("2d", 172_800_000, "\"2d\""),
        ("0", 0, "\"0s\""),
    ] {
        assert_eq!(Duration::parse(text), Ok(Duration::from_millis(ms)), "{text}");
        assert_eq!(Scalar::toml(&Duration::from_millis(ms)), printed, "{text}");
    }
    for text in ["", "10", "s", "1w", "-1s", "1.5s"] {
        assert!(Duration::parse(text).is_err(), "{text}");
    }
}

/// What may stand beside a kennel.
const KINDS: &[SectionKind] = &[SectionKind { name: "cat", is_named: true, part: Part::None }];

/// Loads a file with sections and variables; gives each as `name@line: option=value…`, or the
/// refusal.
fn sections(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let sources = Sources {
        search: vec![directory.path().into()],
        environment: variables.iter().map(|(k, v)| (k.into(), v.into())).collect(),
        ..Sources::default()
    };
    let shown = |section: &Section| {
        let said =
            section.assignments.iter().map(|a| format!(" {}={}", a.name, a.values.join("+")));
        format!("{}@{}:{}", section.name, section.origin, said.collect::<String>())
    };
    let outcome = match KENNEL.load_with(&sources, KINDS) {
        Ok(loaded) => loaded.sections.iter().map(shown).collect::<Vec<_>>().join("; "),
        Err(refusal) => refusal.to_string(),
    };
    outcome.replace(directory.path().to_str().unwrap(), "DIR")
}

#[test]
fn sections_are_kept_apart_in_the_order_of_the_layers() {
    const TOML: &str = "food = 5\n[cat.tom]\nfood-kind = 'fish'\nnaps = [1, 2]\n[cat.Old_Ann]\n";
    let files =
        [("leveret.toml", TOML), ("conf.d/a.toml", "cat.tom.naps = 3\n[kennel]\nplace='x'")];
    assert_eq!(
        sections(&files, &[("LEVERET_CAT_OLD_ANN_FOOD", "1"), ("LEVERET_FOOD", "2")]),
        "tom@DIR/leveret.toml:2: food_kind=fish naps=1+2 naps=3; \
         Old_Ann@DIR/leveret.toml:5: food=1"
    );
    assert_eq!(sections(&[("leveret.toml", "food = 5")], &[]), "");
}

#[test]
fn what_is_no_section_is_refused_with_what_was_meant() {
    let file = |text| sections(&[("leveret.toml", text)], &[]);
    let unnamed = |line| {
        format!("DIR/leveret.toml:{line}: cat needs a name: write [cat.NAME] above its settings")
    };
    assert_eq!(file("\n[cat]\nnaps = 1"), unnamed(3));
    assert_eq!(file("\ncat = 1"), unnamed(2));
    assert_eq!(
        file("[cat.'a/b']"),
        "DIR/leveret.toml:1: a section's name is made of letters, digits, - and _"
    );
    assert_eq!(
        file("[cats.tom]\nnaps = 1"),
        "DIR/leveret.toml:2: unknown setting cats_tom_naps; did you mean a section [cat.NAME]?"
    );
    assert_eq!(
        file("[horse.tom]\nnaps = 1"),
        "DIR/leveret.toml:2: unknown setting horse_tom_naps; docs/settings.md lists every setting"
    );
    assert_eq!(
        file("[cat.tom]\nnaps = 1\n[cat.tom.food]\nkind = 2"),
        "tom@DIR/leveret.toml:1: naps=1 food_kind=2"
    );
    assert_eq!(
        sections(&[("leveret.toml", "[cat.tom]")], &[("LEVERET_CAT_TIM_NAPS", "1")]),
        "unknown environment variable LEVERET_CAT_TIM_NAPS: it names no section [cat.NAME] of the \
         configuration file"
    );
    assert_eq!(
        sections(&[("leveret.toml", "[cat.a]\n[cat.a_b]")], &[("LEVERET_CAT_A_B_C", "1")]),
        "LEVERET_CAT_A_B_C may be meant for [cat.a] or for [cat.a_b]: set it in the file, or rename \
         one of them"
    );
}

#[test]
fn a_section_is_read_by_a_table_of_its_own() {
    let origin = Origin::File { path: "l.toml".into(), line: 7 };
    let section = |name: &str, value: &str| Section {
        kind: "cat",
        name: "tom".into(),
        origin: origin.clone(),
        assignments: vec![Assignment {
            name: name.into(),
            values: vec![value.into()],
            origin: Origin::Environment(format!("LEVERET_CAT_TOM_{}", name.to_uppercase())),
        }],
    };
    let home = Kennel { place: "sofa".into(), ..Kennel::default() };
    let loaded = KENNEL.section(home.clone(), &section("barks", "true")).unwrap();
    assert_eq!(loaded.config, Kennel { barks: true, ..home });
    let refusal = |defaults, name, value| {
        KENNEL.section(defaults, &section(name, value)).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(Kennel::default(), "bark", "true"),
        "unknown environment variable LEVERET_CAT_TOM_BARK; did you mean LEVERET_CAT_TOM_BARKS?"
    );
    let tired = Kennel { walk: Duration::ZERO, ..Kennel::default() };
    assert_eq!(refusal(tired, "barks", "true"), "l.toml:7: walk: dogs need one");
}

#[test]
fn one_layer_sets_a_setting_once() {
    refuses(
        World {
            files: &[("pass", "x")],
            variables: &[("LEVERET_CHIP", "y"), ("LEVERET_CHIP_FILE", "DIR/pass")],
            ..World::default()
        },
        "LEVERET_CHIP_FILE: the same setting as LEVERET_CHIP: keep one of them",
    );
}

#[test]
fn lines_read_back_every_text_that_they_spell() {
    const ALPHABET: &[char] = &['a', ' ', '#', '"', '\'', '\\', ':', ',', '[', '\t', '\n', 'é'];
    let mut texts = vec![String::new()];
    for at in 0..ALPHABET.len().pow(3) + ALPHABET.len().pow(2) + ALPHABET.len() {
        let mut rest = at + 1;
        let mut text = String::new();
        while rest > 0 {
            rest -= 1;
            text.push(ALPHABET[rest % ALPHABET.len()]);
            rest /= ALPHABET.len();
        }
        texts.push(text);
    }
    for text in texts {
        let line = format!("name: {}   # origin", lines::spelled(&quoted(&text)));
        let read = lines::read(Path::new("f"), &line).unwrap();
        assert_eq!(read[0].values, [text], "{line}");
    }
}

/// The sections of a daemon whose own settings may stand in `[kennel]`, or of one beside it.
fn parts(part: Part, text: &str, variables: &[(&str, &str)]) -> String {
    kind(SectionKind { name: "dog", is_named: true, part }, text, variables)
}

/// The same with any kind.
fn kind(kind: SectionKind, text: &str, variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE_NAME), text).unwrap();
    let sources = Sources {
        search: vec![directory.path().into()],
        environment: variables.iter().map(|(k, v)| (k.into(), v.into())).collect(),
        ..Sources::default()
    };
    let shown = |section: &Section| {
        let said = section.assignments.iter().map(|a| format!(" {}={}", a.name, a.values[0]));
        format!("{}{}; ", section.head(), said.collect::<String>())
    };
    let outcome = match KENNEL.load_with(&sources, &[kind]) {
        Ok(loaded) => {
            let food = Scalar::toml(&loaded.config.food);
            format!("{}food={food}", loaded.sections.iter().map(shown).collect::<String>())
        }
        Err(refusal) => refusal.to_string(),
    };
    outcome.replace(directory.path().to_str().unwrap(), "DIR")
}

#[test]
fn keys_of_a_kind_itself_are_a_section_or_the_daemons_own() {
    let text = "[dog]\nfood = 1\n[dog.rex]\nfood = 2";
    let variables = [("LEVERET_DOG_BARKS", "true"), ("LEVERET_DOG_REX_WALK", "1s")];
    assert_eq!(
        parts(Part::Section, text, &variables),
        "[dog] food=1 barks=true; [dog.rex] food=2 walk=1s; food=\"3kB\""
    );
    assert_eq!(parts(Part::Daemon, text, &variables[1..]), "[dog.rex] food=2 walk=1s; food=1");
    assert_eq!(
        parts(Part::None, text, &[]),
        "DIR/leveret.toml:2: dog needs a name: write [dog.NAME] above its settings"
    );
    assert_eq!(parts(Part::Section, "[dog]", &[]), "[dog]; food=\"3kB\"");
    assert_eq!(parts(Part::Section, "[dog.rex]", &[]), "[dog.rex]; food=\"3kB\"");
    assert_eq!(
        parts(Part::Section, "", &[("LEVERET_DOG_BARKS", "true")]),
        "[dog] barks=true; food=\"3kB\""
    );
    assert_eq!(
        parts(Part::Daemon, "food = 1\n[dog]\nfood = 2", &[]),
        "DIR/leveret.toml:3: food is already set in line 1"
    );
}

#[test]
fn a_kind_without_names_is_one_table_with_tables_in_it() {
    let one = |part| SectionKind { name: "dog", is_named: false, part };
    let text = "[dog]\nbarks = true\n[dog.food]\nkind = 'bone'\nat.noon = 2";
    let variables = [("LEVERET_DOG_REX_WALK", "1s")];
    assert_eq!(
        kind(one(Part::Section), text, &variables),
        "[dog] barks=true food_kind=bone food_at_noon=2 rex_walk=1s; food=\"3kB\""
    );
    assert_eq!(kind(one(Part::Section), "[dog]", &[]), "[dog]; food=\"3kB\"");
    assert_eq!(kind(one(Part::Section), "", &[]), "food=\"3kB\"");
    assert_eq!(kind(one(Part::Daemon), "[dog]\nfood = 1", &[]), "food=1");
    assert_eq!(
        kind(one(Part::Daemon), "[dog.food]\nkind = 1", &[]),
        "DIR/leveret.toml:2: unknown setting food_kind; docs/settings.md lists every setting"
    );
    for text in ["dog = 1", "[[dog]]\nfood = 1"] {
        assert_eq!(
            kind(one(Part::Section), text, &[]),
            "DIR/leveret.toml:1: dog is one table: write [dog] above its settings"
        );
    }
    assert_eq!(
        kind(one(Part::Section), "[dogs]\nnaps = 1", &[]),
        "DIR/leveret.toml:2: unknown setting dogs_naps; did you mean a section [dog]?"
    );
}
