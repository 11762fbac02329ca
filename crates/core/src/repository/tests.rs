use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Result<String, BadAddress> {
    text.parse::<Address>()
        .map(|address| address.as_str().to_owned())
}

#[test]
fn the_ways_people_write_a_repository_are_understood() {
    for (text, kept, way) in [
        (
            "https://github.com/acme/app",
            "https://github.com/acme/app",
            Way::Https,
        ),
        (
            "HTTPS://GitHub.com/acme/app.git/",
            "https://github.com/acme/app.git",
            Way::Https,
        ),
        (
            "https://git.example.com:8443/a",
            "https://git.example.com:8443/a",
            Way::Https,
        ),
        (
            "ssh://git@example.com:2222/a/b.git",
            "ssh://git@example.com:2222/a/b.git",
            Way::Ssh,
        ),
        (
            "git@github.com:acme/app.git",
            "git@github.com:acme/app.git",
            Way::Ssh,
        ),
        (
            "example.com:/srv/app.git",
            "example.com:/srv/app.git",
            Way::Ssh,
        ),
        ("git@[2606:4700::1]:app", "git@[2606:4700::1]:app", Way::Ssh),
        ("/srv/git/app.git", "/srv/git/app.git", Way::Local),
        ("C:\\git\\app", "C:\\git\\app", Way::Local),
    ] {
        let parsed: Address = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((parsed.as_str(), parsed.way()), (kept, way));
        assert_eq!(kept.parse::<Address>().unwrap(), parsed, "it means itself");
    }
}

#[test]
fn what_git_could_take_for_something_else_is_refused() {
    for (text, why) in [
        ("", BadAddress::Characters),
        ("https://example.com/a\nb", BadAddress::Characters),
        ("https://example.com/a b", BadAddress::Characters),
        ("https://example.com/$(id)", BadAddress::Characters),
        ("--upload-pack=touch /tmp/x", BadAddress::Option),
        ("-oProxyCommand=id", BadAddress::Option),
        ("ext::sh -c id", BadAddress::Characters),
        ("ext::sh", BadAddress::Scheme),
        ("fd::17/foo", BadAddress::Scheme),
        ("file:///etc", BadAddress::Scheme),
        ("http://example.com/a", BadAddress::Scheme),
        ("git://example.com/a", BadAddress::Scheme),
        ("example.com", BadAddress::Scheme),
        ("../other", BadAddress::Scheme),
        ("./a:b", BadAddress::Scheme),
        ("https://user:secret@example.com/a", BadAddress::Credentials),
        ("https://ghp_token@example.com/a", BadAddress::Credentials),
        ("ssh://git:secret@example.com/a", BadAddress::Credentials),
        (
            "ssh://-oProxyCommand=id@example.com/a",
            BadAddress::Credentials,
        ),
        ("ssh://-oProxyCommand=id/a", BadAddress::Host),
        ("git@-oProxyCommand=id:a", BadAddress::Host),
        ("https://0x7f.1/a", BadAddress::Host),
        ("https://2130706433/a", BadAddress::Host),
        ("https://127.1/a", BadAddress::Host),
        ("https://example.com:0/a", BadAddress::Host),
        ("https://example.com:+22/a", BadAddress::Host),
        ("https://example.com", BadAddress::Path),
        ("https://example.com/", BadAddress::Path),
        ("https://example.com/a/../b", BadAddress::Path),
        ("https://example.com/%2e%2e/b", BadAddress::Path),
        ("https://example.com/a%0ahost=evil", BadAddress::Path),
        ("https://example.com/a?token=x", BadAddress::Path),
        ("git@example.com:--upload-pack=id", BadAddress::Path),
        ("git@example.com:-a", BadAddress::Path),
        ("/srv/git/../../etc", BadAddress::Path),
        ("//server/share", BadAddress::Path),
        ("/", BadAddress::Path),
    ] {
        assert_eq!(address(text), Err(why), "{text:?}");
    }
}

#[test]
fn hosts_of_private_networks_need_permission() {
    let nobody = Allowed::default();
    let inside = [
        "https://localhost/a",
        "https://127.0.0.1/a",
        "https://10.1.2.3/a",
        "https://172.20.0.1/a",
        "https://192.168.1.1/a",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/a",
        "https://0.0.0.0/a",
        "https://[::1]/a",
        "https://[::ffff:10.0.0.1]/a",
        "https://[64:ff9b::a00:1]/a",
        "https://[2002:7f00:1::]/a",
        "https://[fd00::1]/a",
        "https://[fe80::1]/a",
        "https://intranet/a",
        "git@gitserver.local:a",
        "ssh://git.corp.internal/a",
    ];
    for text in inside {
        let address: Address = text.parse().unwrap();
        assert_eq!(nobody.check(&address), Err(NotAllowed::Private), "{text}");
        let (host, _) = address.remote().unwrap();
        let allowed = Allowed::new(vec![Place::Host(host.clone())]);
        assert_eq!(allowed.check(&address), Ok(()), "{text}");
    }
    for text in [
        "https://github.com/a",
        "https://[2606:4700::1]/a",
        "git@8.8.8.8:a",
    ] {
        assert_eq!(nobody.check(&text.parse().unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn a_public_name_that_leads_inside_is_refused_too() {
    let host = Host::read("evil.example").unwrap();
    let outside = "93.184.216.34".parse().unwrap();
    let inside = "169.254.169.254".parse().unwrap();
    let nobody = Allowed::default();
    assert_eq!(nobody.resolved(&host, &[outside]), Ok(()));
    assert_eq!(
        nobody.resolved(&host, &[outside, inside]),
        Err(NotAllowed::Private)
    );
    let allowed = Allowed::new(vec!["evil.example".parse().unwrap()]);
    assert_eq!(allowed.resolved(&host, &[inside]), Ok(()));
}

#[test]
fn local_paths_need_a_configured_folder() {
    let path: Address = "/srv/git/app".parse().unwrap();
    assert_eq!(Allowed::default().check(&path), Err(NotAllowed::Folder));
    let allowed = Allowed::new(vec!["/srv/git".parse().unwrap()]);
    assert_eq!(allowed.check(&path), Ok(()));
    for bad in ["", "srv/git", "https://example.com/a", "/srv/../etc", "-x"] {
        assert_eq!(bad.parse::<Place>(), Err(BadPlace), "{bad:?}");
    }
}

#[test]
fn a_ref_is_a_branch_a_tag_or_a_commit_and_nothing_else() {
    let main: Reference = "main".parse().unwrap();
    assert_eq!(main.full_names(), ["refs/heads/main", "refs/tags/main"]);
    assert_eq!((main.commit(), main.branch()), (None, Some("main")));
    let pull: Reference = "refs/pull/7/head".parse().unwrap();
    assert_eq!(pull.full_names(), ["refs/pull/7/head"]);
    assert_eq!(pull.branch(), None);
    let commit: Reference = "0a1b2c3d".parse().unwrap();
    assert_eq!(commit.commit(), Some("0a1b2c3d"));
    assert!(!commit.is_whole_commit());
    for bad in [
        "",
        "-",
        "HEAD",
        "--upload-pack=touch x",
        "a b",
        "a..b",
        "a:b",
        "+a",
        "a*",
        "a~1",
        "a^",
        "a\\b",
        "a\nb",
        "a\u{9b}b",
        "@",
        "a@{1}",
        "/a",
        "a/",
        "a//b",
        "a/.b",
        "a.lock",
        "a.",
    ] {
        let fine = bad == "+a";
        assert_eq!(bad.parse::<Reference>().is_ok(), fine, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_text_becomes_an_address_that_git_takes_for_an_option_or_a_helper(text in "[-a-z@:/.0-9%\\[\\]\\\\ ~$]{0,40}") {
        if let Ok(address) = text.parse::<Address>() {
            let kept = address.as_str();
            prop_assert!(!kept.starts_with('-'));
            prop_assert!(!kept.contains("/../"));
            prop_assert!(!kept.split('/').next().unwrap_or_default().contains("::") || kept.contains('['));
            prop_assert_eq!(kept.parse::<Address>().unwrap(), address.clone());
        }
    }
}
