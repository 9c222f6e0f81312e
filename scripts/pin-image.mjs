// node scripts/pin-image.mjs: resolves the packages of image `dev` with the mirror's index and writes src/image/pins_dev.ts. For maintainers, when
// Debian has made a point release; `npm run build` first.
import { writeFileSync } from 'node:fs';
import { resolvePins } from '../dist/image/image.js';

const PACKAGES =
  'bash coreutils grep sed gawk findutils procps psmisc util-linux kmod strace gdb python3 perl sqlite3 git gcc make libc6-dev less vim-tiny tmux htop lsof file bc mount passwd iproute2 xz-utils bsdextrautils';

const pins = await resolvePins(
  PACKAGES.split(' '),
  () => {},
  (w) => console.error(w),
);
const rows = pins.map((p) => `  ${p.name} ${p.version} ${p.size} ${p.path.replace(/^pool\/main\//, '')} ${p.sha256}`);
writeFileSync(
  'src/image/pins_dev.ts',
  `import type { Pin } from './pins.ts';

// Made by scripts/pin-image.mjs; do not edit. Packages asked for:
// ${PACKAGES}

/** Image \`dev\`: name, version, bytes, path below pool/main, SHA-256; every package after what it depends on. */
const ROWS = \`
${rows.join('\n')}
\`;

export const DEV_PINS: readonly Pin[] = ROWS.trim()
  .split('\\n')
  .map((row) => {
    const [name, version, size, path, sha256] = row.trim().split(' ');
    return { name, version, size: Number(size), path: \`pool/main/\${path}\`, sha256 };
  });
`,
);
console.log(`${pins.length} packages, ${Math.round(pins.reduce((n, p) => n + p.size, 0) / 1e6)} MB`);
