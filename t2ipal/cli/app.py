"""`t2ipal app`: a page in the browser that recognises photos."""

from __future__ import annotations

import argparse
import signal

from t2ipal.cli.options import nonempty_path, positive
from t2ipal.errors import printable

ABOUT = """\
Serve a page for your own browser: drop photos on it, see labels, scores and
heat maps, move the threshold, download the table. The page is for this machine
alone; photos are in a temporary folder until the command ends (Ctrl-C).
"""


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    app = commands.add_parser("app", help="a page that recognises photos", description=ABOUT, formatter_class=raw)
    app.add_argument(
        "model", metavar="MODEL", type=nonempty_path, help="a recogniser (.safetensors), or a folder of export model"
    )
    app.add_argument("--port", type=_port, default=7860, metavar="N", help="0 for any that is free (default: 7860)")
    app.add_argument("--top", type=positive, default=5, metavar="N", help="labels to show per photo (default: 5)")
    app.add_argument("--clip", type=nonempty_path, metavar="FILE", help="its CLIP, if not where it was at training")
    app.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    app.add_argument("--trust-method", action="store_true", help="run the method's code, though it is not t2ipal's")
    app.set_defaults(run=run)


def _port(text: str) -> int:
    """A port, or 0."""
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no port, 0 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from t2ipal.prediction.app import App
    from t2ipal.prediction.local_http import check_port
    from t2ipal.prediction.predict import Recogniser

    check_port(options.port)
    recogniser = Recogniser.load(options.model, options.clip, options.device, options.trust_method)
    app = App(recogniser, options.port, options.top)
    for number in (signal.SIGTERM, signal.SIGHUP):  # else the photos would stay
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, signal.default_int_handler)
    print(printable(f"{options.model}: {app.url} (Ctrl-C ends it)"), flush=True)
    try:
        app.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        app.server_close()
    return 0
