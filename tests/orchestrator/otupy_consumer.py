"""A packet filter made with otupy, run as a program by an interpreter that has it: `otupy_consumer.py PORT`."""

import sys

import otupy
import otupy.profiles.slpf as slpf
from otupy.encoders.json import JSONEncoder
from otupy.transfers.http import HTTPTransfer


class Filter:
    """Numbers what it is told, and says what it understood."""

    count = 0

    def run(self, command):
        self.count += 1
        text = f"{command.action.name} {type(command.target.getObj()).__name__}"
        results = slpf.Results(rule_number=slpf.RuleID(self.count))
        return otupy.Response({"status": otupy.StatusCode.OK, "status_text": text, "results": results})


if __name__ == "__main__":
    transfer = HTTPTransfer("127.0.0.1", int(sys.argv[1]))
    otupy.Consumer("consumer", {(slpf.Profile.nsid, "fw-1"): Filter()}, JSONEncoder(), transfer).run()
