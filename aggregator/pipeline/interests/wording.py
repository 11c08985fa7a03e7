"""Words in which editors say what to look for, and which are none of it themselves. Data only."""

from __future__ import annotations

# fmt: off
COMMON_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset((
        "a about above after again against ago all almost also always am an and another any anything are "
        "area around article articles as at back be because been before being best between big both bring "
        "by can care cares coming consider could country covered covering day days did do does doing done "
        "each editor either else enjoy especially even ever every everybody everyone everything example "
        "far few find first for from general generally get gets give go going good great had has have "
        "having he help her here hers him his how i idea if important in including incl information "
        "instead interest interested interesting interests into is issue issues it item items its it's "
        "i'm i'd i've just keep kind know large last later latest let letter like little look looking lot "
        "lots love made mainly make makes many matter matters may maybe me might mine more most mostly "
        "much must my near need needs new news newsletter next nice of off often on once one ones only or "
        "other others our out over own part particular particularly people piece pieces please plus post "
        "posts prefer put quite rather read reader readers reading really recent related report reporting "
        "reports same say says see seem several she should show since so some somebody someone something "
        "soon sort stories story stuff such take talk team tell than thank thanks that that's the their "
        "them themselves then there these they thing things think this those though through time to today "
        "together too top topic topics toward towards try type under until up update updates upon us use "
        "used useful uses using very via want wants was we week weekly weeks well were what whatever when "
        "where whether which while who whole whose why will wish with within work world would year years "
        "yes you your kinds keen follow follows following fond curious mention mentions enough coverage "
        "welcome ideally preferably concerning regarding side aspects angle business "
    ).split()),
    "ja": frozenset((
        "興味 関心 記事 話題 最近 情報 重視 読者 今週 毎週 毎日 今日 明日 最新 特 全般 関連 "
        "関係 中心 動向 内容 自分 私達 我々 皆 場合 以上 以下 大事 大切 重要 個人 的 的な "
        "分野 全体 一般 関 欲 紹介 知 読 見 好 多 少 追 載 希望 ニュース トピック テーマ "
        "ネタ について に関する など とか こと もの ような "
    ).split()),
    "zh": frozenset((
        "我们 我 你们 你 他们 他 她 它 读者 编辑 的 地 得 了 着 和 与 及 或 或者 以及 "
        "还有 对 对于 关于 有关 相关 新闻 消息 内容 文章 报道 话题 资讯 信息 事情 东西 方面 "
        "领域 什么 这些 那些 这 那 一些 一点 请 希望 想 要 是 在 也 都 就 很 非常 特别 "
        "尤其 最 更 比较 主要 重点 等 等等 之类 类 看 读 给 把 让 有 没 没有 不 太 再 吧 "
        "呢 啊 們 我們 讀者 與 還有 對 對於 關於 有關 相關 新聞 內容 報導 話題 資訊 領域 "
        "這些 一點 請 比較 重點 類 讀 讓 沒有 過 "
    ).split()),
}
# fmt: on
