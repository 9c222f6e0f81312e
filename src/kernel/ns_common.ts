import * as C from '../abi/clone.ts';

// What all namespaces have in common (include/linux/ns_common.h, namespaces(7)).

export type NsKind = 'cgroup' | 'ipc' | 'mnt' | 'net' | 'pid' | 'time' | 'user' | 'uts';

/** A namespace of any kind. */
export interface NsCommon {
  readonly kind: NsKind;
  /** Inode number of its file: its name. */
  readonly inum: number;
  /** The user namespace that owns it; the owner of a user namespace is its parent (null = the initial one). */
  readonly owner: NsCommon | null;
}

/** Inode numbers of the initial namespaces (include/linux/proc_ns.h; net and mnt take the first dynamic ones). */
export const INIT_INUM: Readonly<Record<NsKind, number>> = {
  ipc: 0xefff_ffff,
  uts: 0xefff_fffe,
  user: 0xefff_fffd,
  pid: 0xefff_fffc,
  cgroup: 0xefff_fffb,
  time: 0xefff_fffa,
  net: 0xf000_0000,
  mnt: 0xf000_0001,
};

export const NS_FLAG: Readonly<Record<NsKind, number>> = {
  cgroup: C.CLONE_NEWCGROUP,
  ipc: C.CLONE_NEWIPC,
  mnt: C.CLONE_NEWNS,
  net: C.CLONE_NEWNET,
  pid: C.CLONE_NEWPID,
  time: C.CLONE_NEWTIME,
  user: C.CLONE_NEWUSER,
  uts: C.CLONE_NEWUTS,
};
/** All of nsproxy, without the user namespace. */
export const CLONE_NS_ALL =
  C.CLONE_NEWNS | C.CLONE_NEWUTS | C.CLONE_NEWIPC | C.CLONE_NEWPID | C.CLONE_NEWNET | C.CLONE_NEWCGROUP | C.CLONE_NEWTIME;
