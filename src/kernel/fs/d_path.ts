import type { Kernel } from '../kernel.ts';
import type { Dentry, Path } from './types.ts';

/** Names from `root` down to `path`; `reached` is false when it lies outside of `root`. */
function namesDown(path: Path, root: Path): { names: string[]; reached: boolean } {
  let { mnt, dentry } = path;
  const names: string[] = [];
  for (;;) {
    if (mnt === root.mnt && dentry === root.dentry) return { names, reached: true };
    if (dentry !== mnt.root && dentry !== dentry.parent) {
      names.unshift(dentry.name);
      dentry = dentry.parent;
      continue;
    }
    if (mnt.parent === null || mnt.mountpoint === null) return { names, reached: false };
    dentry = mnt.mountpoint;
    mnt = mnt.parent;
  }
}

/** The absolute name of a path as the current task's root shows it (d_path); the object's own name for pipes and the like. */
export function dPath(k: Kernel, path: Path, root = k.current.fs.root): string {
  const { dentry, mnt } = path;
  if (dentry === dentry.parent && dentry !== mnt.root) return dentry.name; // pipe:[5], anon_inode:...
  return `/${namesDown(path, root).names.join('/')}${dentry.deleted ? ' (deleted)' : ''}`;
}
/** The name of a dentry inside its file system, whatever is mounted where (dentry_path). */
export function dentryPath(dentry: Dentry): string {
  const names: string[] = [];
  for (let d = dentry; d !== d.parent; d = d.parent) names.unshift(d.name);
  return `/${names.join('/')}`;
}
/** getcwd(2)'s text: marked when it is not below the root. */
export function cwdPath(k: Kernel): string {
  const { names, reached } = namesDown(k.current.fs.pwd, k.current.fs.root);
  return `${reached ? '' : '(unreachable)'}/${names.join('/')}`;
}
