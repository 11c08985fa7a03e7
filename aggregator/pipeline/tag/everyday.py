"""Words that any title may hold, with a capital or in katakana: none of them is a candidate for a tag."""

from __future__ import annotations

_LATIN = """
january february march april may june july august september october november december jan feb mar apr jun jul aug
sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun
christmas easter thanksgiving janvier février mars avril mai juin juillet août septembre octobre novembre décembre
lundi mardi mercredi jeudi vendredi samedi dimanche januar februar märz juni juli oktober dezember montag dienstag
mittwoch donnerstag freitag samstag sonntag enero febrero marzo abril mayo junio julio agosto septiembre octubre
noviembre diciembre the a an and or but if in on at to for of by with from as is are was were be it its this that
these those i i'm we you he she they how why what when where who which not no yes new now here there all any more
most first last one two three ten my our your his her le la les un une des du de et ou où dans pour par avec sur
est sont ce cette ces il elle nous vous qui que quoi comment pourquoi der die das den dem ein eine und oder mit
von zu im am für auf ist sind wie warum was wer el los las una y o en con por para es son qué cómo america
american americans us u.s u.s. usa uk u.k eu european europe europeans chinese china japan japanese india indian
germany german france french british britain russia russian korea korean south north east west western eastern
asia asian africa african canada canadian english world earth internet web english united states kingdom ceo cto
cfo coo ipo pr tv pc pcs os app apps api apis faq pdf html css url http https json sql xml diy q&a vs ok gb tb mb
kb ghz usd eur q1 q2 q3 q4 r&d phd mr ms mrs dr inc ltd corp llc co update updates breaking live video podcast
episode week weekly day daily show hn ask tell part vol chapter
"""
_KATAKANA = """
ニュース サービス データ システム ユーザー アプリ モデル ツール ソフト ソフトウェア ソフトウエア ハードウェア
サイト ページ ブログ メール ネット ネットワーク インターネット ウェブ プログラム プログラミング コード
コンピューター コンピュータ パソコン スマホ スマートフォン カメラ ビデオ ゲーム プロジェクト チーム グループ
メンバー リーダー セキュリティ リリース アップデート バージョン サポート テスト レポート レビュー イベント
セミナー セール キャンペーン プレゼント ポイント ランキング デザイン クラウド サーバー サーバ エンジン エンジニア
ビジネス マーケティング コスト リスク メリット デメリット トラブル エラー バグ ミス プロ スタート スタートアップ
オープン オープンソース フリー パーソナル プライバシー エージェント チャット ロボット テクノロジー デジタル
オンライン リアル リアルタイム バーチャル メディア コンテンツ テキスト イメージ グラフ ファイル フォルダ リンク
クリック ドル ユーロ パーセント トップ ランク レベル シリーズ タイプ モード プラン プロセス ケース アイデア
アドバイス コメント インタビュー アメリカ ヨーロッパ アジア イギリス フランス ドイツ ロシア インド カナダ ストア
ショップ メーカー マシン センサー ディスプレイ キーボード マウス ケーブル バッテリー メモリ ストレージ プロセッサ
チップ スピード パフォーマンス ベンチマーク ライブラリ フレームワーク プラットフォーム インフラ リソース
アルゴリズム パターン ルール ガイド マニュアル ノート ライブ ボード カード キー シーン アクセス アカウント
ログイン パスワード ダウンロード インストール ブラウザ ブラウザー プロンプト トークン タスク ワークフロー オフィス
ホーム スクール ストーリー ファン
"""

#: Folded.
COMMON = frozenset((*_LATIN.split(), *_KATAKANA.split()))
