"""The pages about work in the background: what was asked for, how far it is, what came of it."""

from __future__ import annotations

import csv
import io

from flask import (
    Blueprint,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue

from trials import csvsafe
from trials import jobs as queue
from trials.errors import NotPermitted
from trials.jobs import Job
from trials.settings import Settings
from web import present_jobs
from web.access import Permission, may, needs, signed_in, store
from web.jobs import uploads

pages = Blueprint("jobs", __name__)


@pages.get("/jobs")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """What was asked for last, of one trial where ``?about=`` names it."""
    about = request.args.get("about")
    with store().read() as session:
        found = queue.latest(session, subject=about)
    return render_template("pages/jobs.html", lines=present_jobs.lines(found), about=about)


@pages.get("/jobs/<int:job_id>")
@needs(Permission.SEE_RESULTS)
def job(job_id: int) -> str:
    """One job: how far it is, or what came of it."""
    return render_template("pages/job.html", page=_shown(job_id))


@pages.get("/jobs/<int:job_id>/panel")
@needs(Permission.SEE_RESULTS)
def panel(job_id: int) -> Response:
    """The part of that page that changes, for the page's own script."""
    shown = _shown(job_id)
    response = Response(render_template("pages/job_panel.html", page=shown), mimetype="text/html")
    response.headers["X-Over"] = "yes" if shown.over else "no"
    return response


def _shown(job_id: int) -> present_jobs.Page:
    return present_jobs.page(_load(job_id), statistics=may(Permission.SEE_STATISTICS))


@pages.post("/jobs/<int:job_id>/cancel")
@needs(Permission.ANALYSE)
def cancel(job_id: int) -> ResponseReturnValue:
    """Stop a job."""
    with store().write() as session:
        queue.cancel(session, job_id)
    return redirect(url_for("jobs.job", job_id=job_id), 303)


@pages.post("/jobs/<int:job_id>/files/<name>")
@needs(Permission.RUN_TRIALS)
def file(job_id: int, name: str) -> Response:
    """A file that a job laid out: given once, to whoever asked for the job, and gone from here."""
    if _load(job_id).actor != signed_in().email:
        raise NotPermitted("this file is for whoever uploaded the list", "ask them for it")
    settings: Settings = current_app.extensions["settings"]
    path = uploads.outbound_file(settings.home, job_id, name)
    handle = path.open("rb")
    path.unlink()  # the open handle keeps it readable until it has been sent
    return send_file(handle, "text/csv", as_attachment=True, download_name=path.name)


@pages.get("/jobs/<int:job_id>/problems.csv")
@needs(Permission.SEE_RESULTS)
def problems(job_id: int) -> Response:
    """The rows that were refused, as a file; it repeats nothing of what they held."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("where", "what is wrong", "what to do"))
    writer.writerows(map(csvsafe.guard_row, present_jobs.problem_rows(_load(job_id))))
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job_id}-problems.csv"'
    return response


def _load(job_id: int) -> Job:
    with store().read() as session:
        return queue.load(session, job_id)
