// include/uapi/linux/pidfd.h, kcmp.h
/** O_NONBLOCK and O_EXCL. */
export const PIDFD_NONBLOCK = 0o4000;
export const PIDFD_THREAD = 0o200;
export const PIDFD_SIGNAL_THREAD = 1;
export const PIDFD_SIGNAL_THREAD_GROUP = 2;
export const PIDFD_SIGNAL_PROCESS_GROUP = 4;

/** _IO(0xff, nr): descriptors of the namespaces of the process. */
export const PIDFD_GET_CGROUP_NAMESPACE = 0xff01;
export const PIDFD_GET_IPC_NAMESPACE = 0xff02;
export const PIDFD_GET_MNT_NAMESPACE = 0xff03;
export const PIDFD_GET_NET_NAMESPACE = 0xff04;
export const PIDFD_GET_PID_NAMESPACE = 0xff05;
export const PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE = 0xff06;
export const PIDFD_GET_TIME_NAMESPACE = 0xff07;
export const PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE = 0xff08;
export const PIDFD_GET_USER_NAMESPACE = 0xff09;
export const PIDFD_GET_UTS_NAMESPACE = 0xff0a;

export const PIDFS_MAGIC = 0x50494446;

export const KCMP_FILE = 0;
export const KCMP_VM = 1;
export const KCMP_FILES = 2;
export const KCMP_FS = 3;
export const KCMP_SIGHAND = 4;
export const KCMP_IO = 5;
export const KCMP_SYSVSEM = 6;
export const KCMP_EPOLL_TFD = 7;
