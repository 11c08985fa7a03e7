"""The frozen mail of an issue, as it went out: in a frame where nothing of it runs and nothing leads anywhere."""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from aggregator.errors import NotFound
from aggregator.model.newsletter import TOKENS, Issue, RenderedIssue
from aggregator.storage import issues
from aggregator.tasks.desk.sending import find_issue
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Page, Section, Visit

#: Of the mail alone, which has its styles inside, as mails do: no script, no form; only our own pages frame it.
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; sandbox"


def _read(visit: Visit) -> tuple[Issue, RenderedIssue]:
    issue = find_issue(visit.app, visit.params["issue"])
    with visit.app.db.read() as conn:
        rendered = issues.get_rendered(conn, issue.id)
    if rendered is None:
        raise NotFound(f"{issue.name} is not frozen")
    return issue, rendered


def _show_mail(visit: Visit) -> Response:
    issue, rendered = _read(visit)
    return show_page(
        visit, "issue_mail.html", issue=issue, rendered=rendered, phone=visit.query.get("as") == "phone",
        text=hide_links(rendered.mail_text) if visit.query.get("as") == "text" else "",
    )  # fmt: skip


def _show_frame(visit: Visit) -> Response:
    _, rendered = _read(visit)
    return show_still(rendered.mail_html)


def show_still(mail_html: str) -> Response:
    """To be looked at in a frame: a link that is pressed by mistake tries nothing that the frame would refuse."""
    html = hide_links(mail_html).replace("</head>", "<style>a{pointer-events:none}</style></head>", 1)
    return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY})


def hide_links(text: str) -> str:
    """The links to leave are each reader's own; here they lead nowhere."""
    for token in TOKENS:
        text = text.replace(token, "#")
    return text


ROOM = Section(
    key="issues",
    pages=(
        Page(path="/issues/{issue:int}/mail", show=_show_mail),
        Page(path="/issues/{issue:int}/mail.html", show=_show_frame),
    ),
)
