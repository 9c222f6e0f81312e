import { EINVAL } from '../../abi/errno.ts';
import { debugText } from '../fs/debugfs/debugfs.ts';
import { kallsymsShowValue } from '../kallsyms.ts';
import type { Kernel } from '../kernel.ts';
import { kstrtobool } from '../lib/kstrtox.ts';
import { ableAll, showKprobes } from './kprobes.ts';

/** /sys/kernel/debug/kprobes. Which functions of Linux's own cannot be probed (blacklist) says nothing here: the file is empty. */
export function kprobesDebugfsInit(k: Kernel): void {
  debugText(k, 'kprobes/list', 0o400, { show: (kk) => showKprobes(kk, kallsymsShowValue(kk)) });
  debugText(k, 'kprobes/blacklist', 0o400, { show: () => '' });
  debugText(k, 'kprobes/enabled', 0o600, {
    show: (kk) => (kk.kprobes.allDisarmed ? '0\n' : '1\n'),
    store(kk, text) {
      const on = kstrtobool(text);
      if (typeof on === 'number') return -EINVAL;
      ableAll(kk, on);
      return 0;
    },
  });
}
