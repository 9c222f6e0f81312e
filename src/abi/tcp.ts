// TCP (include/uapi/linux/tcp.h, include/net/tcp.h).
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_CORK = 3;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_SYNCNT = 7;
export const TCP_LINGER2 = 8;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_WINDOW_CLAMP = 10;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_CONGESTION = 13;
export const TCP_THIN_LINEAR_TIMEOUTS = 16;
export const TCP_THIN_DUPACK = 17;
export const TCP_USER_TIMEOUT = 18;
export const TCP_REPAIR = 19;
export const TCP_FASTOPEN = 23;
export const TCP_TIMESTAMP = 24;
export const TCP_NOTSENT_LOWAT = 25;
export const TCP_SAVE_SYN = 27;
export const TCP_FASTOPEN_CONNECT = 30;
export const TCP_ULP = 31;
export const TCP_FASTOPEN_NO_COOKIE = 34;
export const TCP_INQ = 36;
export const TCP_CM_INQ = 36;
export const TCP_TX_DELAY = 37;

/** Flags of a segment. */
export const TH_FIN = 1;
export const TH_SYN = 2;
export const TH_RST = 4;
export const TH_PSH = 8;
export const TH_ACK = 16;
export const TH_URG = 32;

export const MAX_TCP_KEEPIDLE = 32767;
export const MAX_TCP_KEEPINTVL = 32767;
export const MAX_TCP_KEEPCNT = 127;
export const MAX_TCP_SYNCNT = 127;
export const TCP_MIN_MSS = 88;
export const TCP_MSS_DEFAULT = 536;
/** Longest window without the window scale option. */
export const MAX_TCP_WINDOW = 32767;
export const TCP_MAX_QUICKACKS = 16;
export const TCP_INIT_CWND = 10;
