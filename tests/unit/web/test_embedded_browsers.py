"""Tests of the table of embedded browsers, with User-Agents as browsers and apps send them."""

from __future__ import annotations

import pytest

from linkauth.web.embedded_browsers import EMBEDDED_BROWSERS, USER_AGENT_LIMIT, is_embedded, matches

GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
PIXEL = f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A.240605.024; wv) {GECKO} Version/4.0 Chrome/126.0.6478.72"
KITKAT = f"Mozilla/5.0 (Linux; Android 4.4; Nexus 5 Build/_BuildID_) {GECKO} Version/4.0 Chrome/30.0.0.0"
FIRE = "Mozilla/5.0 (Linux; Android 9; KFMAWI)"
EMBEDDED = {
    "Android WebView": f"{PIXEL} Mobile Safari/537.36",
    "Android WebView of Android 4.4": f"{KITKAT} Mobile Safari/537.36",
    "WKWebView on a phone": f"{IPHONE} Mobile/15E148",
    "WKWebView on an iPad that asks for mobile pages": IPHONE.replace("iPhone", "iPad") + " Mobile/15E148",
    "WKWebView on an iPad that asks for desktop pages": MAC,
    "Alexa app on iOS": f"{IPHONE} Mobile/15E148 PitanguiBridge/2.2.595606.0-[HARDWARE=iPhone14_7][SOFTWARE=17.5]",
    "Alexa app on Android": f"{PIXEL} Mobile Safari/537.36 PitanguiBridge/2.2.595606.0-[MANUFACTURER=Google]",
    "Alexa app with a bare User-Agent": "PitanguiBridge/2.2.345247.0-[MANUFACTURER=Google][RELEASE=10][DEVICE=Pixel]",
    "Silk": f"{FIRE} {GECKO} Silk/108.4.6 like Chrome/108.0.5359.220 Safari/537.36",
    "Silk that asks for desktop pages": f"Mozilla/5.0 (X11; Linux x86_64) {GECKO} Silk/108.4.6 like Chrome/108.0.5359",
    "web app of Amazon": "Mozilla/5.0 (Linux; Android 5.1.1; AFTT) AppleWebKit/537.36 AmazonWebAppPlatform/3.4.0;2.0",
    "Facebook on iOS": f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.38.108;FBBV/608309405;FBDV/iPhone14,7]",
    "Facebook on Android": f"{PIXEL} Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/468.1.0.56.78;]",
    "Instagram on iOS": f"{IPHONE} Mobile/15E148 Instagram 334.0.4.32.98 (iPhone14,7; iOS 17_5; en_US; en; scale=3.00)",
    "Line on iOS": f"{IPHONE} Mobile/15E148 Safari Line/14.8.0",
    "WeChat": f"{PIXEL} Mobile Safari/537.36 XWEB/1260053 MMWEBSDK/20240404 MicroMessenger/8.0.49.2600(0x28003137)",
    "Twitter": f"{IPHONE} Mobile/15E148 Twitter for iPhone/10.43",
    "TikTok": f"{IPHONE} Mobile/15E148 musical_ly_34.6.0 JsSdk/2.0 NetType/WIFI BytedanceWebview/d8a21c6",
    "LinkedIn": f"{IPHONE} Mobile/15E148 [LinkedInApp]/9.29.7532",
    "Pinterest": f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    "KakaoTalk": f"{PIXEL} Mobile Safari/537.36 KAKAOTALK 10.8.3",
    "Snapchat": f"{IPHONE} Mobile/15E148 Snapchat/12.92.0.35 (like Safari/8615.3.12.10.2, panda)",
    "TikTok in Asia": f"{PIXEL} Mobile Safari/537.36 trill_340603 BytedanceWebview/d8a21c6",
    "Naver": f"{IPHONE} Mobile/15E148 NAVER(inapp; search; 2000; 12.6.1; 14PRO)",
    "iPod": IPHONE.replace("iPhone;", "iPod touch;") + " Mobile/15E148",
    "Google app on Android": f"{PIXEL} Mobile Safari/537.36 GoogleApp/15.24.28.29.arm64",
    "Google app on iOS": f"{IPHONE} GSA/320.0.639893013 Mobile/15E148 Safari/604.1",
}
BROWSERS = {
    "Safari, SFSafariViewController": f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    "Safari on an iPad": f"{MAC} Version/17.5 Safari/605.1.15",
    "Chrome on iOS": f"{IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
    "Firefox on iOS": f"{IPHONE} FxiOS/127.1 Mobile/15E148 Safari/605.1.15",
    "Edge on iOS": f"{IPHONE} Version/17.0 EdgiOS/126.0.2592.56 Mobile/15E148 Safari/604.1",
    "Chrome, Custom Tab": f"Mozilla/5.0 (Linux; Android 10; K) {GECKO} Chrome/126.0.0.0 Mobile Safari/537.36",
    "Firefox": "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
    "Samsung": f"Mozilla/5.0 (Linux; Android 14; SM-S918B) {GECKO} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile",
    "Xiaomi": f"{KITKAT.replace('4.4', '13')} Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.8.0-gn",
    "Chrome on Windows": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {GECKO} Chrome/126.0.0.0 Safari/537.36",
    "Chrome on a Mac": f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {GECKO} Chrome/126.0.0.0 Safari/537.36",
    "none": "",
    "command line": "curl/8.5.0",
}


@pytest.mark.parametrize("user_agent", EMBEDDED.values(), ids=EMBEDDED)
def test_embedded_browser_is_recognized(user_agent: str) -> None:
    assert is_embedded(user_agent)


@pytest.mark.parametrize("user_agent", BROWSERS.values(), ids=BROWSERS)
def test_real_browser_is_not_embedded(user_agent: str) -> None:
    assert not is_embedded(user_agent)


def test_every_rule_matches_one_of_these_user_agents() -> None:
    for rule in EMBEDDED_BROWSERS:
        texts = [text.lower() for text in EMBEDDED.values()]
        assert any(
            all(matches(text, each) for each in rule.patterns) and not any(matches(text, each) for each in rule.lacks)
            for text in texts
        ), rule


def test_patterns_of_the_deployer_replace_the_table() -> None:
    patterns = ("Kiosk/*Chrome/", "ourapp ")
    assert is_embedded("Kiosk/3 Mozilla/5.0 CHROME/126", patterns)
    assert is_embedded("Mozilla/5.0 OurApp 2", patterns)
    assert not is_embedded("Chrome/126 Kiosk/3", patterns)
    assert not is_embedded(EMBEDDED["Android WebView"], patterns)


def test_pattern_without_text_matches_nothing() -> None:
    assert not matches("anything", "")
    assert not matches("anything", "**")
    # the parts must not overlap
    assert not matches("aba", "ab*ba")
    assert matches("abba", "ab*ba")


def test_long_user_agent_is_cut() -> None:
    assert not is_embedded("x" * USER_AGENT_LIMIT + EMBEDDED["Silk"])
