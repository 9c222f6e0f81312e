import { UTS_RELEASE } from '../abi/kernel_release.ts';

export const HELP = `Usage:
  lintel                                   boot and give a shell on this terminal
  lintel run [options] -- CMD [ARG...]     boot, run CMD as a guest process on this stdin/stdout/stderr,
                                           exit with its exit status
  lintel image build NAME [--packages A,B] make a root file system from Debian riscv64 packages
  lintel image list                        the images there are
  lintel image add PKG... [--image NAME]   add packages to an image of one's own (local)
  lintel kmod build DIR                    build the modules of DIR (its Makefile's obj-m) against Debian's headers
  lintel kmod run FILE.ko [-- CMD...]      boot, insmod FILE.ko, run CMD, rmmod, print dmesg, report
  lintel start                             a shell on a terminal, a demonstration elsewhere (npm start)

Options:
  --memory SIZE      physical memory, 16M to 3840M (256M)
  --cpus N           virtual CPUs, 1 to 8 (1)
  --image WHAT       an image's name, or a .cpio, .cpio.gz or .limg file (base)
  --mount HOST:GUEST[:ro]  a directory of the host, seen in the guest at GUEST (repeatable)
  --append WORDS     more words for the kernel command line
  --seed N           deterministic: the same seed and input give the same run; time is virtual
  --timeout TIME     give up after TIME (30s, 500ms, 2m): exit status 124
  --param NAME=VAL   kmod run: a module parameter (repeatable)
  --check memory     report what modules do wrong with memory: out of bounds, use after free, leaks, unwritten values
  --book             kmod build: source written for Linux 5.4 (include a header with the names that are gone)
  --packages A,B     image build: Debian packages to install
  --quiet, -q        no boot messages
  --json             a machine-readable report (run, kmod build, kmod run)
  --help, --version

Exit status of run: the command's own; 124 on timeout, 125 when Lintel itself fails, 126/127 when the command cannot be
executed or found, 128+N for death by signal N, 137 on OOM kill.
kmod build: 1 when the module's source or Makefile is at fault. kmod run: the command's own status; 1 when the module was not
loaded or not unloaded, or the kernel warned or crashed.
`;

export function versionText(): string {
  return `lintel 0.1.0 (Linux ${UTS_RELEASE})\n`;
}
