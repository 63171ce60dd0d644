//! Programs that say they are robots: in no arm, because no reader waits for them.

/// Whether a `User-Agent` is that of a declared crawler, link preview or monitor.
///
/// Robots would be a large part of page views that never shares, by chance more of it in one arm than in another.
/// Download tools (curl, wget, aria2, apt) are **not** robots: their owners want the file, and pay for nothing less.
/// An empty name is nobody's.
///
/// A list of our own. Well-kept ones name hundreds of robots and nearly all of those by one of a few words (`bot`,
/// `crawl`, `spider`), which the crates that carry them match with a regular expression of 20 KB; and they count
/// curl and wget as robots, which here is wrong. Whoever lies about its name is not found by any list.
/// Costs less than a microsecond.
#[must_use]
pub fn is_robot(user_agent: impl AsRef<[u8]>) -> bool {
    let agent = user_agent.as_ref();
    let mut pairs = agent.iter().zip(agent.iter().skip(1)).enumerate();
    pairs.any(|(at, (first, second))| {
        let mut words = STARTS[pair(*first, *second)];
        while words != 0 {
            let word = WORDS[words.trailing_zeros() as usize];
            if starts_with(&agent[at..], word) && !excepted(agent, at) {
                return true;
            }
            words &= words - 1;
        }
        false
    })
}

/// Words that robots have in their names, lowercase.
const WORDS: [&str; 33] = [
    // What nearly all call themselves: Googlebot, bingbot, AhrefsBot, Applebot, GPTBot, Baiduspider, CCBot.
    "bot",
    "crawl",
    "spider",
    "scrap",
    "slurp",
    // Search and SEO without such a word.
    "google-inspectiontool",
    "googleother",
    "google-read-aloud",
    "mediapartners-google",
    "feedfetcher",
    "yandex.com/bots",
    "bingpreview",
    "ia_archiver",
    "heritrix",
    "nutch",
    "sistrix",
    "screaming frog",
    "siteauditor",
    "seokicks",
    // Link previews.
    "facebookexternalhit",
    "facebookcatalog",
    "whatsapp/",
    "embedly",
    "skypeuripreview",
    "iframely",
    "pinterest/0",
    // Monitors and measurements.
    "pingdom",
    "statuscake",
    "site24x7",
    "check_http",
    "lighthouse",
    "headlesschrome",
    "monitor",
];

/// Which words start with a pair of octets, a bit a word: hardly any place in a name is looked at twice, and then
/// for a word or two.
static STARTS: [u64; 1_024] = {
    let mut starts = [0; 1_024];
    let mut at = 0;
    while at < WORDS.len() {
        let word = WORDS[at].as_bytes();
        starts[pair(word[0], word[1])] |= 1 << at;
        at += 1;
    }
    starts
};

/// Two octets in ten bits, in which letters of either case are the same.
const fn pair(first: u8, second: u8) -> usize {
    (first as usize & 31) << 5 | second as usize & 31
}

fn starts_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// Cubot makes telephones.
fn excepted(agent: &[u8], at: usize) -> bool {
    at >= 2 && starts_with(&agent[at - 2..], "cubot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_previews_and_monitors_are_robots() {
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116.0 Safari/537.36",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "Mozilla/5.0 (compatible; SemrushBot/7~bl)",
            "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 (compatible; Baiduspider/2.0)",
            "Mozilla/5.0 (compatible; Yahoo! Slurp)",
            "facebookexternalhit/1.1",
            "Twitterbot/1.0",
            "WhatsApp/2.23.20.0",
            "Slackbot-LinkExpanding 1.0",
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "Pingdom.com_bot_version_1.4",
            "check_http/v2.3 (monitoring-plugins 2.3)",
            "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0 Safari/537.36",
            "CCBOT/2.0",
            "Screaming Frog SEO Spider/19.4",
        ] {
            assert!(is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn readers_and_download_tools_are_none() {
        for agent in [
            "",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 12; CUBOT KING KONG 7) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 12; CUBOT_NOTE_S) AppleWebKit/537.36",
            "Lynx/2.9.0dev.12 libwww-FM/2.14",
            "curl/8.5.0",
            "Wget/1.21.4",
            "aria2/1.37.0",
            "Debian APT-HTTP/1.3 (2.6.1)",
            "python-requests/2.31.0",
            "Transmission/4.0.5",
            "VLC/3.0.20 LibVLC/3.0.20",
            "bo",
        ] {
            assert!(!is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn a_robot_on_a_cubot_is_a_robot() {
        assert!(is_robot("Mozilla/5.0 (Linux; CUBOT NOTE) (compatible; AnyBot/1.0)"));
    }
}
