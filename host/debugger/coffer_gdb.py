"""What GDB has to know of a program inside an enclave on the rung `inline`; `coffer debug` loads it.

  coffer-start IMAGE'S-PROGRAM-BASE PROGRAM KERNEL    runs to the program's main(), with its symbols and the kernel's
  edbgrd ADDRESS [COUNT]                              EDBGRD of COUNT words of 8 bytes
  edbgwr ADDRESS VALUE                                EDBGWR of one word
"""

import signal

import gdb

# Enclaves are served by signals that are nobody's fault: memory that is committed at its first touch, instructions that
# leave the enclave, interrupts (SIG40 is SIGRTMIN + 6).
SERVING_SIGNALS = "SIGSEGV SIGBUS SIGILL SIGFPE SIGSYS SIG40"
READY = "coffer_debugger_enclave_ready"
FAULT = "coffer_debugger_fault"
WANTS_FAULTS = "coffer_debugger_wants_faults"
FAULTS = {0x100 + 13: "#GP", 0x100 + 14: "#PF"}


def quoted(path):
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Fault(gdb.Breakpoint):
    """An exception that nothing in the enclave handles: its instruction runs once more, and GDB stops at its signal."""

    def __init__(self):
        super().__init__(FAULT, internal=True)
        gdb.execute(f"set variable *(char*)&{WANTS_FAULTS} = 1")
        gdb.events.stop.connect(self.shown)
        self.signal = None

    def stop(self):
        self.signal = signal.Signals(int(gdb.parse_and_eval("(int)$rdi"))).name
        gdb.execute(f"handle {self.signal} stop print", to_string=True)
        return False

    def shown(self, event):
        if isinstance(event, gdb.SignalEvent) and event.stop_signal == self.signal:
            gdb.execute(f"handle {self.signal} nostop noprint pass", to_string=True)
            self.signal = None


class Start(gdb.Command):
    """Run to main() of the program inside. coffer debug calls it; usage: coffer-start PROGRAM_BASE PROGRAM KERNEL"""

    def __init__(self):
        super().__init__("coffer-start", gdb.COMMAND_RUNNING)

    def invoke(self, arguments, from_tty):
        program_base, program, kernel = gdb.string_to_argv(arguments)
        gdb.execute(f"handle {SERVING_SIGNALS} nostop noprint pass", to_string=True)
        gdb.execute("set environment COFFER_SYMBOLS off")  # they come by add-symbol-file
        ready = gdb.Breakpoint(READY, internal=True, temporary=True)
        gdb.execute("run", to_string=True)
        if ready.is_valid():  # it ended before; its own words are on the screen
            ready.delete()
            return
        base = int(gdb.parse_and_eval("(unsigned long)$rdi"))
        Fault()
        for file, at in ((kernel, base), (program, base + int(program_base, 0))):
            gdb.execute(f"add-symbol-file {quoted(file)} -o {at:#x}", to_string=True)
        print(f"The enclave is at {base:#x}, the program at {base + int(program_base, 0):#x}.")
        self.run_to_main(program)

    @staticmethod
    def run_to_main(program):
        for objfile in gdb.objfiles():
            if objfile.filename is not None and gdb.lookup_objfile(program) == objfile:
                main = objfile.lookup_global_symbol("main")
                if main is not None:
                    # Past the prologue, as `start` does: the line table's second entry for the function.
                    block = gdb.block_for_pc(int(main.value().address))
                    lines = [at.pc for at in main.symtab.linetable() if block.start < at.pc < block.end]
                    where = min(lines, default=block.start)
                    stop = gdb.Breakpoint(f"*{where:#x}", internal=True, temporary=True)
                    stop.silent = True
                    gdb.execute("continue")
                    gdb.execute("frame")
                    return
        print(f"{program} has no debugging symbols: stopped before its first instruction; build it with -g")


class Outside:
    """The first thread, which waits outside the enclave, alone: where calls into the host program are safe."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.locking = gdb.parameter("scheduler-locking")
        if self.thread is None:
            raise gdb.GdbError("no enclave runs")
        gdb.execute("set scheduler-locking on", to_string=True)
        next(t for t in gdb.selected_inferior().threads() if t.num == 1).switch()

    def __exit__(self, *_):
        self.thread.switch()
        gdb.execute(f"set scheduler-locking {self.locking}", to_string=True)


def leaf(name, address, *values):
    types = ", ".join(["unsigned long"] * (1 + len(values)))
    call = f"((unsigned long (*)({types}))coffer_debugger_{name})({', '.join(hex(v) for v in (address, *values))})"
    outcome = int(gdb.parse_and_eval(call))
    if outcome != 0:
        raise gdb.GdbError(f"{name.upper()} of {address:#x}: {FAULTS.get(outcome, f'error {outcome}')}")


def number(text):
    return int(gdb.parse_and_eval(f"(unsigned long)({text})"))


class Edbgrd(gdb.Command):
    """EDBGRD: read words of 8 bytes of a debug enclave, TCS pages too. Usage: edbgrd ADDRESS [COUNT]"""

    def __init__(self):
        super().__init__("edbgrd", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        words = gdb.string_to_argv(arguments)
        if len(words) not in (1, 2):
            raise gdb.GdbError("usage: edbgrd ADDRESS [COUNT]")
        first, count = number(words[0]), number(words[1]) if len(words) == 2 else 1
        with Outside():
            for address in range(first, first + 8 * count, 8):
                leaf("edbgrd", address)
                value = int(gdb.parse_and_eval("*(unsigned long*)&coffer_debugger_value"))
                print(f"{address:#x}: {value:#018x}")


class Edbgwr(gdb.Command):
    """EDBGWR: write a word of 8 bytes of a debug enclave; of a TCS only FLAGS. Usage: edbgwr ADDRESS VALUE"""

    def __init__(self):
        super().__init__("edbgwr", gdb.COMMAND_DATA)

    def invoke(self, arguments, from_tty):
        words = gdb.string_to_argv(arguments)
        if len(words) != 2:
            raise gdb.GdbError("usage: edbgwr ADDRESS VALUE")
        address, value = number(words[0]), number(words[1])
        with Outside():
            leaf("edbgwr", address, value)


Start()
Edbgrd()
Edbgwr()
