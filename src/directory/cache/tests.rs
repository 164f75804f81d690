use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::{Instant, advance};

use super::loads::{BACK_OFF, Next};
use super::*;

pub(super) mod world;

use world::{
    Fake, Mood, World, ambiguous, ask, bad_answer, owner, person, person_at_once, secs, settings, settle,
    unavailable,
};

// One load.

#[tokio::test(start_paused = true)]
async fn twenty_who_miss_at_once_make_one_load() {
    let world = World::new();
    let cache = world.cache(settings());
    let people = join_all((0..20).map(|_| person(&cache, "anna"))).await;
    assert_eq!(people, ["version 1"; 20]);
    let owners = join_all((0..20).map(|_| owner(&cache, "anna@example.org"))).await;
    assert_eq!(owners, ["version 1"; 20]);
    assert_eq!(world.asked(), ["anna", "anna@example.org"]);
}

#[tokio::test(start_paused = true)]
async fn what_directories_take_for_one_name_is_one_key() {
    let world = World::new();
    let cache = world.cache(settings());
    for login in ["anna", "ANNA", "Anna", "anna@example.org", "Anna@Example.ORG", "ånna", "Ånna"] {
        person(&cache, login).await;
    }
    assert_eq!(world.asked(), ["anna", "anna@example.org", "ånna", "Ånna"]);
    for address in ["Anna@example.org", "anna@EXAMPLE.org", "\"anna\"@example.org", "anna+x@example.org"] {
        owner(&cache, address).await;
    }
    assert_eq!(world.asked()[4..], ["Anna@example.org", "anna+x@example.org"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_may_go_away() {
    let world = World::new();
    let cache = world.cache(settings());
    world.hold();
    let first = ask(&cache, "anna").await;
    let second = ask(&cache, "anna").await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.release();
    assert_eq!(second.await.unwrap(), "version 1");
    // And all of them.
    world.hold();
    let only = ask(&cache, "bea").await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    world.release();
    settle().await;
    assert_eq!(person_at_once(&cache, "bea").unwrap(), "version 1");
    assert_eq!(world.asked(), ["anna", "bea"]);
}

/// A login that is told ahead is loaded then, and nobody who asks has it loaded once more.
#[tokio::test(start_paused = true)]
async fn who_is_expected_is_asked_for_once() {
    let world = World::new();
    let cache = world.cache(settings());
    world.hold();
    cache.expect("anna");
    settle().await;
    assert_eq!(world.asked(), ["anna"]);
    let asking = ask(&cache, "anna").await;
    world.release();
    assert_eq!(asking.await.unwrap(), "version 1");
    cache.expect("anna");
    settle().await;
    assert_eq!(world.asked(), ["anna"]);
    // In the last part of its life, as by a question.
    advance(settings().ttl - secs(1)).await;
    cache.expect("anna");
    settle().await;
    assert_eq!(world.asked(), ["anna"; 2]);
    // What changes after it was told ahead is asked for anew.
    world.hold();
    cache.expect("bea");
    settle().await;
    cache.expire_all();
    let asking = ask(&cache, "bea").await;
    world.release();
    assert_eq!(asking.await.unwrap(), "version 1");
    assert_eq!(world.asked(), ["anna", "anna", "bea", "bea"]);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_is_a_failure_for_all_who_wait_and_no_more() {
    let world = World::new();
    let cache = world.cache(settings());
    world.is(Mood::Panics);
    assert_eq!(join_all((0..20).map(|_| person(&cache, "anna"))).await, ["bad answer"; 20]);
    world.is(Mood::Knows);
    assert_eq!(person(&cache, "bea").await, "version 1");
    advance(BACK_OFF).await;
    assert_eq!(person(&cache, "anna").await, "version 1");
    assert_eq!(world.asked(), ["anna", "bea", "anna"]);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_when_it_is_given_up_is_a_failure_too() {
    let world = World::new();
    let cache = world.cache(settings());
    world.hold();
    world.is(Mood::PanicsWhenDropped);
    assert_eq!(person(&cache, "anna").await, "bad answer");
    world.release();
    world.is(Mood::Knows);
    advance(BACK_OFF).await;
    assert_eq!(person(&cache, "anna").await, "version 1");
}

#[tokio::test(start_paused = true)]
async fn a_load_ends_at_its_limit() {
    let world = World::new();
    let cache = world.cache(settings());
    world.hold();
    let begin = Instant::now();
    assert_eq!(join_all((0..3).map(|_| person(&cache, "anna"))).await, ["unavailable"; 3]);
    assert_eq!(begin.elapsed().as_secs(), 10);
    assert_eq!(world.under_way.load(SeqCst), 0);
    assert_eq!(world.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_with_the_cache() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(290)).await;
    world.hold();
    let asking = ask(&cache, "bea").await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
    settle().await;
    assert_eq!(world.under_way.load(SeqCst), 2, "one that somebody waits for, one ahead");
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    drop(cache);
    settle().await;
    assert_eq!(world.under_way.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_just_too_late_for_a_load_finds_its_answer() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    // As one does who found nothing a moment ago.
    let next = cache.0.people.loads.next("anna".into(), std::future::pending);
    assert!(matches!(next, Next::Known(Ok(Some(_)))));
    // One that is due stays so for who can have it loaded again.
    advance(secs(290)).await;
    let next = cache.0.people.loads.next("anna".into(), std::future::pending);
    assert!(matches!(next, Next::Known(Ok(Some(_)))));
    person(&cache, "anna").await;
    settle().await;
    assert_eq!(world.loads(), 2);
}

// How long, and how much.

#[tokio::test(start_paused = true)]
async fn how_long_answers_are_fresh() {
    for (mood, negative_ttl, age, loads) in [
        (Mood::Knows, 30, 0, 1),
        (Mood::Knows, 30, 299, 1),
        (Mood::Knows, 30, 300, 2),
        (Mood::Knows, 0, 299, 1),
        (Mood::KnowsNobody, 30, 0, 1),
        (Mood::KnowsNobody, 30, 29, 1),
        (Mood::KnowsNobody, 30, 30, 2),
        (Mood::KnowsNobody, 0, 0, 2),
        (Mood::KnowsNobody, 600, 599, 1),
        (Mood::KnowsNobody, 600, 600, 2),
    ] {
        let world = World::new();
        let cache = world.cache(CacheSettings { negative_ttl: secs(negative_ttl), ..settings() });
        world.is(mood);
        let first = person(&cache, "anna").await;
        advance(secs(age)).await;
        // What is still fresh is there at once, even if it is loaded again.
        world.hold();
        let again = person_at_once(&cache, "anna");
        assert_eq!(again.is_some(), loads == 1, "{first} after {age} s, {negative_ttl} s for absences");
        assert!(again.is_none_or(|again| again == first));
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_begin_of_the_load() {
    let world = World::new();
    let cache = world.cache(settings());
    world.hold();
    let asking = ask(&cache, "anna").await;
    advance(secs(8)).await;
    world.release();
    assert_eq!(asking.await.unwrap(), "version 1");
    advance(secs(292)).await;
    world.change();
    assert_eq!(person(&cache, "anna").await, "version 2");
}

#[tokio::test(start_paused = true)]
async fn absences_that_are_not_remembered_share_a_load_nevertheless() {
    let world = World::new();
    let cache = world.cache(CacheSettings { negative_ttl: secs(0), ..settings() });
    world.is(Mood::KnowsNobody);
    assert_eq!(join_all((0..20).map(|_| person(&cache, "anna"))).await, ["nobody"; 20]);
    assert_eq!(world.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn absences_push_nobody_out() {
    let world = World::new();
    let cache = world.cache(CacheSettings { capacity: 100, ..settings() });
    for number in 0..100 {
        owner(&cache, &format!("person{number}@example.org")).await;
    }
    world.is(Mood::KnowsNobody);
    for number in 0..5000 {
        assert_eq!(owner(&cache, &format!("guess{number}@example.org")).await, "nobody");
    }
    assert_eq!(cache.0.holders.store.sizes(), (100, 10));
    for number in 0..100 {
        let known = owner(&cache, &format!("person{number}@example.org")).now_or_never();
        assert_eq!(known.unwrap(), "version 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_without_capacity_shares_loads() {
    let world = World::new();
    let cache = world.cache(CacheSettings { capacity: 0, ..settings() });
    assert_eq!(join_all((0..20).map(|_| person(&cache, "anna"))).await, ["version 1"; 20]);
    assert_eq!(person(&cache, "anna").await, "version 1");
    assert_eq!(world.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_was_filled_does_not_come_back() {
    let world = World::new();
    let cache = world.cache(CacheSettings { ttl: secs(10), negative_ttl: secs(600), ..settings() });
    world.is(Mood::KnowsNobody);
    person(&cache, "anna").await;
    world.is(Mood::Knows);
    advance(secs(530)).await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "nobody");
    settle().await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
    advance(secs(10)).await;
    assert_eq!(person(&cache, "anna").await, "version 1");
}

// The directory is away.

#[tokio::test(start_paused = true)]
async fn what_serves_while_the_directory_gives_no_answer() {
    use Mood::{Knows, KnowsNobody, Panics};
    for (before, failure, stale, age, said) in [
        (Knows, unavailable(), 3600, 300, "version 1"),
        (Knows, unavailable(), 3600, 3600, "version 1"),
        (Knows, unavailable(), 3600, 3601, "unavailable"),
        (Knows, bad_answer(), 3600, 3600, "version 1"),
        (Knows, bad_answer(), 3600, 3601, "bad answer"),
        (Knows, Panics, 3600, 300, "version 1"),
        (Knows, ambiguous(), 3600, 300, "ambiguous"),
        (Knows, unavailable(), 0, 299, "version 1"),
        (Knows, unavailable(), 0, 300, "unavailable"),
        (Knows, unavailable(), 200, 299, "version 1"),
        (Knows, unavailable(), 200, 300, "unavailable"),
        (KnowsNobody, unavailable(), 3600, 29, "nobody"),
        (KnowsNobody, unavailable(), 3600, 30, "unavailable"),
    ] {
        let world = World::new();
        let cache = world.cache(CacheSettings { stale: secs(stale), ..settings() });
        world.is(before);
        let first = person(&cache, "anna").await;
        advance(secs(age)).await;
        world.is(failure);
        assert_eq!(person(&cache, "anna").await, said, "{first}, {age} s later, at most {stale} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_due_waits_for_a_directory_that_answers() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(300)).await;
    world.change();
    world.hold();
    let asking = ask(&cache, "anna").await;
    advance(secs(9)).await;
    assert!(!asking.is_finished());
    world.release();
    assert_eq!(asking.await.unwrap(), "version 2");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_absence() {
    for failure in [unavailable(), bad_answer(), ambiguous(), Mood::Panics] {
        let world = World::new();
        let cache = world.cache(settings());
        world.is(failure);
        assert_ne!(person(&cache, "anna").await, "nobody");
        assert_ne!(person(&cache, "anna").await, "nobody");
        world.is(Mood::Knows);
        advance(BACK_OFF).await;
        assert_eq!(person(&cache, "anna").await, "version 1");
        assert_eq!(world.loads(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_serves_again_who_was_found_gone() {
    let world = World::new();
    let cache = world.cache(settings());
    for (mood, said) in [
        (Mood::Knows, "version 1"),
        (Mood::KnowsNobody, "nobody"),
        (unavailable(), "unavailable"),
        (Mood::Knows, "version 1"),
        (ambiguous(), "ambiguous"),
        (unavailable(), "unavailable"),
    ] {
        world.is(mood);
        assert_eq!(person(&cache, "anna").await, said);
        advance(secs(300)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nobody_asks_for_a_second() {
    for (before, said) in [(Mood::KnowsNobody, "unavailable"), (Mood::Knows, "version 1")] {
        let world = World::new();
        let cache = world.cache(settings());
        world.is(before);
        person(&cache, "anna").await;
        advance(secs(300)).await;
        world.is(unavailable());
        assert_eq!(person(&cache, "anna").await, said);
        advance(BACK_OFF - Duration::from_millis(1)).await;
        assert_eq!(person_at_once(&cache, "anna").unwrap(), said);
        assert_eq!(world.loads(), 2);
        assert_eq!(person(&cache, "bea").await, "unavailable");
        assert_eq!(world.loads(), 3, "another key is another question");
        advance(Duration::from_millis(1)).await;
        assert_eq!(person(&cache, "anna").await, said);
        assert_eq!(world.loads(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_ends_the_second() {
    for invalidate in [Cache::expire_all, Cache::forget_all] {
        let world = World::new();
        let cache = world.cache(settings());
        world.is(unavailable());
        assert_eq!(person(&cache, "anna").await, "unavailable");
        invalidate(&cache);
        world.is(Mood::Knows);
        assert_eq!(person(&cache, "anna").await, "version 1");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_take_little_memory() {
    let world = World::new();
    let cache = world.cache(settings());
    world.is(unavailable());
    for number in 0..5000 {
        person(&cache, &format!("guess{number}")).await;
    }
    assert!((1..=1024).contains(&cache.0.people.loads.failures()), "{}", cache.0.people.loads.failures());
}

/// What the program's log gets while the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
        tracing::subscriber::set_default(lines.with_writer(move || log.clone()).finish())
    }

    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_when_it_begins_and_when_it_ends_and_not_more_than_once_a_minute() {
    let log = Log::default();
    let _capture = log.capture();
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(300)).await;
    let begin = "WARN the directory is not available: it is away; until it answers, answers from before are used \
                 where there are any";
    let end = |served| {
        format!("WARN the directory answers again; meanwhile {served} answers from before were used")
    };
    assert_eq!(log.lines(), [""; 0]);
    world.is(unavailable());
    for _ in 0..5 {
        assert_eq!(person(&cache, "anna").await, "version 1");
        advance(BACK_OFF).await;
    }
    assert_eq!(log.lines(), [begin]);
    world.is(Mood::Knows);
    person(&cache, "bea").await;
    person(&cache, "carl").await;
    assert_eq!(log.lines(), [end(5)]);
    // It comes and goes.
    for round in 0..50 {
        world.is(unavailable());
        assert_eq!(person(&cache, "anna").await, "version 1");
        advance(BACK_OFF).await;
        world.is(Mood::Knows);
        person(&cache, &format!("carl{round}")).await;
    }
    assert_eq!(log.lines(), [""; 0]);
    advance(secs(60)).await;
    world.is(unavailable());
    person(&cache, "anna").await;
    assert_eq!(log.lines(), [begin]);
}

// Refresh ahead.

#[tokio::test(start_paused = true)]
async fn what_is_used_is_loaded_ahead_while_it_serves() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    world.change();
    advance(secs(224)).await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
    settle().await;
    assert_eq!(world.loads(), 1, "before three quarters of its life it stays");
    advance(secs(40)).await;
    world.hold();
    for _ in 0..50 {
        assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!(world.loads(), 2, "it is not loaded twice at a time");
    world.release();
    settle().await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 2");
    // Its life has begun anew with the second load.
    advance(secs(200)).await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 2");
    settle().await;
    assert_eq!((world.loads(), cache.counts().refreshes), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_loaded_ahead_where_nothing_may_be() {
    let world = World::new();
    let cache = world.cache(CacheSettings { refreshes: 0, ..settings() });
    person(&cache, "anna").await;
    advance(secs(299)).await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
    settle().await;
    assert_eq!((world.loads(), cache.counts().refreshes), (1, 0));
    // Nor by a cache that goes on with what it remembers.
    let cache = Cache::over(world.lookup(), &cache);
    person(&cache, "anna").await;
    advance(secs(299)).await;
    assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
    settle().await;
    assert_eq!((world.loads(), cache.counts().refreshes), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn in_the_steady_state_nobody_waits() {
    let world = World::new();
    let cache = world.cache(settings());
    world.is(Mood::KnowsNobody);
    person(&cache, "scanner").await;
    world.is(Mood::Knows);
    for login in ["anna", "bea", "carl"] {
        person(&cache, login).await;
    }
    for second in 0..3600 {
        advance(secs(1)).await;
        for (login, mood, said) in [
            ("scanner", Mood::KnowsNobody, "nobody"),
            ("anna", Mood::Knows, "version 1"),
            ("bea", Mood::Knows, "version 1"),
        ] {
            world.is(mood);
            assert_eq!(person_at_once(&cache, login).as_deref(), Some(said), "{login} at {second}");
            settle().await;
        }
    }
    assert_eq!(cache.counts().misses, 4);
    let loads = |login| world.asked().iter().filter(|asked| *asked == login).count();
    assert_eq!(loads("carl"), 1, "what nobody uses is not loaded again");
    assert!((12..=17).contains(&loads("anna")), "{}", loads("anna"));
}

#[tokio::test(start_paused = true)]
async fn how_loads_ahead_end() {
    for (mood, at_once, at_ttl, from_ttl) in [
        (Mood::Knows, "version 2", "version 2", "version 2"),
        (Mood::KnowsNobody, "nobody", "nobody", "nobody"),
        (unavailable(), "version 1", "version 1", "unavailable"),
        (Mood::Panics, "version 1", "version 1", "bad answer"),
        // It is what the directory says.
        (ambiguous(), "ambiguous", "ambiguous", "ambiguous"),
    ] {
        let world = World::new();
        let cache = world.cache(CacheSettings { stale: secs(0), ..settings() });
        person(&cache, "anna").await;
        world.change();
        advance(secs(280)).await;
        world.is(mood);
        assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
        settle().await;
        assert_eq!(person(&cache, "anna").await, at_once);
        advance(secs(19)).await;
        assert_eq!(person(&cache, "anna").await, at_ttl);
        advance(secs(1)).await;
        assert_eq!(person(&cache, "anna").await, from_ttl);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_ahead_that_failed_is_tried_again_after_a_second() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(280)).await;
    world.is(unavailable());
    for loads in [2, 2, 3, 3, 4] {
        assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
        settle().await;
        assert_eq!(world.loads(), loads);
        advance(BACK_OFF / 2).await;
    }
    assert_eq!(cache.counts().stale, 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_ahead_that_failed_slowly_is_not_tried_again_at_once() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(280)).await;
    world.hold();
    for (wait, loads) in [(9_000, 2), (1_500, 2), (1_000, 2), (0, 3)] {
        assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 1");
        settle().await;
        assert_eq!(world.loads(), loads);
        advance(Duration::from_millis(wait)).await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_those_who_use_an_answer_is_told_to_refresh_it() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    for (wait, claims) in [(secs(224), 0), (secs(40), 1), (BACK_OFF / 2, 0), (BACK_OFF / 2, 1)] {
        advance(wait).await;
        let store = &cache.0.people.store;
        let is_due = || store.fresh("anna", Instant::now()).unwrap().is_due;
        // Whoever only asks leaves it to the next.
        assert_eq!([is_due(), is_due()], [claims > 0; 2]);
        let claimed = (0..10).filter(|_| store.claim_refresh("anna", Instant::now())).count();
        assert_eq!((claimed, is_due()), (claims, false));
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_sixteen_are_loaded_ahead_at_a_time() {
    let world = World::new();
    let cache = world.cache(settings());
    let logins: Vec<_> = (0..40).map(|number| format!("person{number}")).collect();
    let ask_all = async || {
        for login in &logins {
            assert_eq!(person_at_once(&cache, login).unwrap(), "version 1");
        }
        settle().await;
    };
    join_all(logins.iter().map(|login| person(&cache, login))).await;
    advance(secs(280)).await;
    world.hold();
    for _ in 0..5 {
        ask_all().await;
        assert_eq!(world.under_way.load(SeqCst), 16);
        advance(secs(1)).await;
    }
    // Those that a message waits for are not held up by them.
    let asking = ask(&cache, "zoe").await;
    assert_eq!(world.under_way.load(SeqCst), 17);
    world.release();
    assert_eq!(asking.await.unwrap(), "version 1");
    for _ in 0..3 {
        ask_all().await;
        advance(secs(1)).await;
    }
    assert_eq!(world.loads(), 40 + 40 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_at_once_is_not_loaded_ahead_at_once() {
    let world = World::new();
    let cache = world.cache(settings());
    let logins: Vec<_> = (0..100).map(|number| format!("person{number}")).collect();
    join_all(logins.iter().map(|login| person(&cache, login))).await;
    let mut loads = Vec::new();
    for wait in [224, 20, 19] {
        advance(secs(wait)).await;
        for login in &logins {
            person_at_once(&cache, login).unwrap();
            settle().await;
        }
        loads.push(world.loads() - 100);
    }
    assert_eq!((loads[0], loads[2]), (0, 100));
    assert!((20..=80).contains(&loads[1]), "{loads:?}");
}

// Invalidations.

#[tokio::test(start_paused = true)]
async fn what_an_invalidation_leaves() {
    type Invalidate = fn(&Cache<Fake>);
    let expire: Invalidate = Cache::expire_all;
    let forget: Invalidate = Cache::forget_all;
    for (invalidate, mood, said) in [
        (expire, Mood::Knows, "version 2"),
        (expire, Mood::KnowsNobody, "nobody"),
        (expire, unavailable(), "version 1"),
        (expire, bad_answer(), "version 1"),
        (expire, ambiguous(), "ambiguous"),
        (forget, Mood::Knows, "version 2"),
        (forget, Mood::KnowsNobody, "nobody"),
        (forget, unavailable(), "unavailable"),
        (forget, bad_answer(), "bad answer"),
    ] {
        let world = World::new();
        let cache = world.cache(settings());
        person(&cache, "anna").await;
        owner(&cache, "anna@example.org").await;
        world.is(Mood::KnowsNobody);
        person(&cache, "nobody").await;
        world.change();
        world.is(mood.clone());
        invalidate(&cache);
        assert_eq!(person(&cache, "anna").await, said);
        assert_eq!(owner(&cache, "anna@example.org").await, said);
        let absent = person(&cache, "nobody").await;
        assert_eq!(absent == "nobody", matches!(mood, Mood::KnowsNobody), "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_expired_serves_no_longer_than_the_rest() {
    let world = World::new();
    let cache = world.cache(settings());
    person(&cache, "anna").await;
    advance(secs(3600)).await;
    cache.expire_all();
    world.is(unavailable());
    assert_eq!(person(&cache, "anna").await, "version 1");
    advance(BACK_OFF).await;
    assert_eq!(person(&cache, "anna").await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_takes_no_memory() {
    let world = World::new();
    let cache = world.cache(settings());
    for mood in [Mood::Knows, Mood::KnowsNobody] {
        world.is(mood.clone());
        for number in 0..10 {
            person(&cache, &format!("{number}")).await;
            owner(&cache, &format!("{number}@example.org")).await;
        }
        let expected = if matches!(mood, Mood::Knows) { (10, 0) } else { (0, 10) };
        assert_eq!(cache.0.people.store.sizes(), expected);
        cache.forget_all();
        assert_eq!((cache.0.people.store.sizes(), cache.0.holders.store.sizes()), ((0, 0), (0, 0)));
    }
}

/// The trap of every cache that loads: what is under way when everything goes is stored afterwards.
#[tokio::test(start_paused = true)]
async fn who_asks_after_an_invalidation_gets_nothing_from_before_whichever_load_ends_first() {
    for invalidate in [Cache::expire_all, Cache::forget_all] {
        for (ends, words) in [([0, 1], "the old load ends first"), ([1, 0], "the new load ends first")] {
            let world = World::new();
            let cache = world.cache(settings());
            world.hold();
            let before = ask(&cache, "anna").await;
            world.change();
            invalidate(&cache);
            let after = ask(&cache, "anna").await;
            let joined = ask(&cache, "anna").await;
            assert_eq!(world.loads(), 2, "one that began before, one for the two who ask after");
            for end in ends {
                world.let_pass(end);
                settle().await;
            }
            assert_eq!(after.await.unwrap(), "version 2", "{words}");
            assert_eq!(joined.await.unwrap(), "version 2", "{words}");
            assert_eq!(before.await.unwrap(), "version 1", "{words}");
            assert_eq!(person_at_once(&cache, "anna").unwrap(), "version 2", "{words}");
            // Not even for the time in which the directory is away.
            advance(secs(300)).await;
            world.is(unavailable());
            world.release();
            assert_eq!(person(&cache, "anna").await, "version 2", "{words}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_nobody_asked_is_as_old_as_it_is() {
    type Invalidate = fn(&Cache<Fake>);
    let expire: Invalidate = Cache::expire_all;
    for (invalidate, away) in [(expire, "version 1"), (Cache::forget_all, "unavailable")] {
        for ahead in [false, true] {
            let world = World::new();
            let cache = world.cache(settings());
            if ahead {
                person(&cache, "anna").await;
                advance(secs(280)).await;
            }
            world.hold();
            let before = ask(&cache, "anna").await;
            world.change();
            invalidate(&cache);
            world.release();
            assert_eq!(before.await.unwrap(), "version 1");
            settle().await;
            world.is(unavailable());
            assert_eq!(person(&cache, "anna").await, away);
            advance(BACK_OFF).await;
            world.is(Mood::Knows);
            assert_eq!(person(&cache, "anna").await, "version 2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_goes_on_over_another_lookup() {
    let (before, after) = (World::new(), World::new());
    after.change();
    let old = before.cache(settings());
    person(&old, "anna").await;
    person(&old, "bea").await;
    before.hold();
    let under_way = ask(&old, "carl").await;
    after.is(unavailable());
    let new = Cache::over(after.lookup(), &old);
    // What is there serves while the new one is away.
    assert_eq!(person(&new, "anna").await, "version 1");
    assert_eq!(person(&new, "carl").await, "unavailable");
    // It is due, and the new one is asked.
    advance(BACK_OFF).await;
    after.is(Mood::Knows);
    assert_eq!(person(&new, "anna").await, "version 2");
    let asking = ask(&new, "carl").await;
    assert_eq!(asking.await.unwrap(), "version 2", "nobody waits for a load of the old one");
    // What the old one has under way goes to who waits for it, and to nobody else.
    before.release();
    assert_eq!(under_way.await.unwrap(), "version 1");
    assert_eq!(person_at_once(&new, "carl").unwrap(), "version 2");
    // Messages under way finish with the old one; it learns from the new one, and is invalidated with it.
    assert_eq!(person_at_once(&old, "anna").unwrap(), "version 2");
    assert_eq!(before.asked(), ["anna", "bea", "carl"]);
    new.forget_all();
    assert_eq!(person(&old, "anna").await, "version 1");
}

/// The old cache goes on for the messages that it has, and begins loads after the new one has taken the old ones' keys.
#[tokio::test(start_paused = true)]
async fn of_two_caches_on_one_store_the_younger_load_stays() {
    use Mood::{Knows, KnowsNobody};
    // Within one millisecond, it is a change in between that tells which is younger.
    for (apart, ends) in [(0, [0, 1]), (0, [1, 0]), (1, [0, 1]), (1, [1, 0])] {
        for (older, younger) in [(Knows, Knows), (Knows, KnowsNobody), (KnowsNobody, Knows)] {
            let world = World::new();
            let old = world.cache(settings());
            let new = Cache::over(world.lookup(), &old);
            world.hold();
            old.expect("anna");
            tokio::task::yield_now().await;
            assert_eq!(world.loads(), 1);
            world.change();
            advance(Duration::from_millis(apart)).await;
            new.changes().groups_unsure();
            new.expect("anna");
            tokio::task::yield_now().await;
            assert_eq!(world.loads(), 2);
            for load in ends {
                world.is([&older, &younger][load].clone());
                world.let_pass(load);
                settle().await;
            }
            let said = if matches!(younger, Knows) { "version 2" } else { "nobody" };
            for cache in [&old, &new] {
                assert_eq!(
                    person_at_once(cache, "anna").as_deref(),
                    Some(said),
                    "{apart} ms apart, {ends:?}"
                );
            }
            let (found, absent) = new.0.people.store.sizes();
            assert_eq!(found + absent, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_outlived_its_life_goes_as_others_come() {
    // Somebody serves as long as the directory may be away, an absence only as long as it is fresh.
    for (mood, stale, life) in
        [(Mood::Knows, 3600, 3600), (Mood::Knows, 0, 300), (Mood::KnowsNobody, 3600, 30)]
    {
        let world = World::new();
        let cache = world.cache(CacheSettings { stale: secs(stale), capacity: 10_000, ..settings() });
        world.is(mood);
        let ask_for = async |name: &str, count: usize| {
            for number in 0..count {
                person(&cache, &format!("{name}{number}")).await;
            }
            let (found, absent) = cache.0.people.store.sizes();
            found + absent
        };
        assert_eq!(ask_for("first", 100).await, 100);
        advance(secs(life)).await;
        assert_eq!(ask_for("second", 100).await, 200, "nothing is older than {life} s");
        advance(Duration::from_millis(1)).await;
        // Each that comes looks at two.
        assert_eq!(ask_for("third", 200).await, 300, "all are older than {life} s");
    }
}

/// A thousand invalidations, each while loads are under way that began before the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_ever_sees_what_is_older_than_the_epoch() {
    const KEYS: usize = 4;
    let world = World::new();
    world.dawdles.store(40, SeqCst);
    // Short, so that loads ahead take part.
    let ttl = Duration::from_millis(4);
    let cache = world.cache(CacheSettings { ttl, limit: secs(60), ..settings() });
    let epoch = Arc::new(AtomicU64::new(1));
    let done = Arc::new(AtomicBool::new(false));
    let reader = |_| {
        let (cache, epoch, done) = (cache.clone(), Arc::clone(&epoch), Arc::clone(&done));
        tokio::spawn(async move {
            let mut answers = 0;
            while !done.load(SeqCst) {
                let oldest = epoch.load(SeqCst);
                let said = person(&cache, ["anna", "bea", "carl", "dora"][fastrand::usize(..KEYS)]).await;
                let version: u64 = said.strip_prefix("version ").unwrap().parse().unwrap();
                assert!(version >= oldest, "version {version} in epoch {oldest}");
                answers += 1;
                tokio::task::yield_now().await;
            }
            answers
        })
    };
    let readers: Vec<_> = (0..8).map(reader).collect();
    let mut overtaken = 0;
    for round in 0..1000 {
        let loads = world.loads();
        while world.loads() == loads && !readers.iter().any(|reader| reader.is_finished()) {
            tokio::task::yield_now().await;
        }
        for _ in 0..fastrand::u64(0..20) {
            tokio::task::yield_now().await;
        }
        overtaken += world.under_way.load(SeqCst).min(1);
        world.change();
        [Cache::expire_all, Cache::forget_all][round % 2](&cache);
        epoch.store(world.version.load(SeqCst), SeqCst);
    }
    done.store(true, SeqCst);
    let answers: u64 = join_all(readers).await.into_iter().map(Result::unwrap).sum();
    assert!(overtaken > 100 && answers > 1000, "{overtaken} of 1000 overtook a load, {answers} answers");
}

// Numbers.

#[tokio::test(start_paused = true)]
async fn what_is_counted() {
    let world = World::new();
    let cache = world.cache(settings());
    let counts =
        |hits, misses, stale, refreshes, failures| Counts { hits, misses, stale, refreshes, failures };
    assert_eq!(cache.counts(), Counts::default());
    person(&cache, "anna").await;
    join_all((0..3).map(|_| owner(&cache, "anna@example.org"))).await;
    assert_eq!(cache.counts(), counts(0, 4, 0, 0, 0));
    person(&cache, "anna").await;
    assert_eq!(cache.counts(), counts(1, 4, 0, 0, 0));
    advance(secs(280)).await;
    person(&cache, "anna").await;
    settle().await;
    assert_eq!(cache.counts(), counts(2, 4, 0, 1, 0));
    world.is(unavailable());
    advance(secs(300)).await;
    for _ in 0..3 {
        person(&cache, "anna").await;
    }
    assert_eq!(cache.counts(), counts(2, 7, 3, 1, 1));
    person(&cache, "bea").await;
    assert_eq!(cache.counts(), counts(2, 8, 3, 1, 2));
    assert_eq!(format!("{cache:?}").matches("misses: 8").count(), 1);
}
