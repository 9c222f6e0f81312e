# Runs `python3 -m test ARG...` and writes one line "ID OUTCOME" per test to the file of the first argument as soon as it is known.
# Subtests count for their test; the worst outcome stays. Runs in the guest.
import runpy
import sys
from test.libregrtest import testresult

RANK = ("ok", "xfail", "skip", "xpass", "fail", "error")
out = open(sys.argv[1], "w", buffering=1)
pid = __import__("os").getpid()


class Recording(testresult.RegressionTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.now = "ok"

    def stopTest(self, test):
        super().stopTest(test)
        self.say(test, self.now)

    def say(self, test, outcome):
        if __import__("os").getpid() == pid:
            print(test.id(), outcome, file=out)

    def note(self, test, outcome):
        if not hasattr(test, "_testMethodName"):  # setUpClass, setUpModule: no test was started
            self.say(test, outcome)
        elif RANK.index(outcome) > RANK.index(self.now):
            self.now = outcome

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(getattr(test, "test_case", test), "skip")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "fail")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "error")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "xfail")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "xpass")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "fail" if issubclass(err[0], test.failureException) else "error")


testresult.RegressionTestResult = Recording
sys.argv[:2] = ["test"]
runpy.run_module("test", run_name="__main__", alter_sys=True)
