// include/uapi/linux/nsfs.h: _IO(0xb7, nr), _IOR(0xb7, nr, int or __u64)
export const NS_GET_USERNS = 0xb701;
export const NS_GET_PARENT = 0xb702;
export const NS_GET_NSTYPE = 0xb703;
export const NS_GET_OWNER_UID = 0xb704;
export const NS_GET_MNTNS_ID = 0x8008_b705;
export const NS_GET_PID_FROM_PIDNS = 0x8004_b706;
export const NS_GET_TGID_FROM_PIDNS = 0x8004_b707;
export const NS_GET_PID_IN_PIDNS = 0x8004_b708;
export const NS_GET_TGID_IN_PIDNS = 0x8004_b709;
export const NSFS_MAGIC = 0x6e73_6673;
