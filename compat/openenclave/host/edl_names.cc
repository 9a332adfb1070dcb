// The OCALLs that <openenclave/edl/*.edl> names. Generated code refers to them; nothing calls them, since the enclave's
// own kernel does what they did. A host that calls one all the same hears so.
#include <openenclave/bits/result.h>

extern "C" {
oe_result_t oe_get_qetarget_info_ocall();
oe_result_t oe_get_quote_ocall();
oe_result_t oe_get_quote_verification_collateral_ocall();
oe_result_t oe_get_quote_verification_collateral_with_baseline_ocall();
oe_result_t oe_get_supported_attester_format_ids_ocall();
oe_result_t oe_get_tdx_fmspc_from_quote_ocall();
oe_result_t oe_get_tdx_quote_verification_collateral_ocall();
oe_result_t oe_log_is_supported_ocall();
oe_result_t oe_log_ocall();
oe_result_t oe_realloc_ocall();
oe_result_t oe_sgx_backtrace_symbols_ocall();
oe_result_t oe_sgx_get_additional_host_entropy_ocall();
oe_result_t oe_sgx_get_cpuid_table_ocall();
oe_result_t oe_sgx_log_backtrace_ocall();
oe_result_t oe_sgx_sleep_switchless_worker_ocall();
oe_result_t oe_sgx_thread_wake_wait_ocall();
oe_result_t oe_sgx_wake_switchless_worker_ocall();
oe_result_t oe_syscall_accept_ocall();
oe_result_t oe_syscall_access_ocall();
oe_result_t oe_syscall_bind_ocall();
oe_result_t oe_syscall_clock_nanosleep_ocall();
oe_result_t oe_syscall_close_ocall();
oe_result_t oe_syscall_close_socket_ocall();
oe_result_t oe_syscall_closedir_ocall();
oe_result_t oe_syscall_connect_ocall();
oe_result_t oe_syscall_dup_ocall();
oe_result_t oe_syscall_epoll_close_ocall();
oe_result_t oe_syscall_epoll_create1_ocall();
oe_result_t oe_syscall_epoll_ctl_ocall();
oe_result_t oe_syscall_epoll_wait_ocall();
oe_result_t oe_syscall_epoll_wake_ocall();
oe_result_t oe_syscall_fcntl_ocall();
oe_result_t oe_syscall_fdatasync_ocall();
oe_result_t oe_syscall_flock_ocall();
oe_result_t oe_syscall_fstat_ocall();
oe_result_t oe_syscall_fsync_ocall();
oe_result_t oe_syscall_ftruncate_ocall();
oe_result_t oe_syscall_getaddrinfo_close_ocall();
oe_result_t oe_syscall_getaddrinfo_open_ocall();
oe_result_t oe_syscall_getaddrinfo_read_ocall();
oe_result_t oe_syscall_getegid_ocall();
oe_result_t oe_syscall_geteuid_ocall();
oe_result_t oe_syscall_getgid_ocall();
oe_result_t oe_syscall_getgroups_ocall();
oe_result_t oe_syscall_getnameinfo_ocall();
oe_result_t oe_syscall_getpeername_ocall();
oe_result_t oe_syscall_getpgid_ocall();
oe_result_t oe_syscall_getpgrp_ocall();
oe_result_t oe_syscall_getpid_ocall();
oe_result_t oe_syscall_getppid_ocall();
oe_result_t oe_syscall_getsockname_ocall();
oe_result_t oe_syscall_getsockopt_ocall();
oe_result_t oe_syscall_getuid_ocall();
oe_result_t oe_syscall_ioctl_ocall();
oe_result_t oe_syscall_kill_ocall();
oe_result_t oe_syscall_link_ocall();
oe_result_t oe_syscall_listen_ocall();
oe_result_t oe_syscall_lseek_ocall();
oe_result_t oe_syscall_mkdir_ocall();
oe_result_t oe_syscall_nanosleep_ocall();
oe_result_t oe_syscall_open_ocall();
oe_result_t oe_syscall_opendir_ocall();
oe_result_t oe_syscall_poll_ocall();
oe_result_t oe_syscall_pread_ocall();
oe_result_t oe_syscall_pwrite_ocall();
oe_result_t oe_syscall_read_ocall();
oe_result_t oe_syscall_readdir_ocall();
oe_result_t oe_syscall_readv_ocall();
oe_result_t oe_syscall_recv_ocall();
oe_result_t oe_syscall_recvfrom_ocall();
oe_result_t oe_syscall_recvmsg_ocall();
oe_result_t oe_syscall_recvv_ocall();
oe_result_t oe_syscall_rename_ocall();
oe_result_t oe_syscall_rewinddir_ocall();
oe_result_t oe_syscall_rmdir_ocall();
oe_result_t oe_syscall_send_ocall();
oe_result_t oe_syscall_sendmsg_ocall();
oe_result_t oe_syscall_sendto_ocall();
oe_result_t oe_syscall_sendv_ocall();
oe_result_t oe_syscall_setsockopt_ocall();
oe_result_t oe_syscall_shutdown_ocall();
oe_result_t oe_syscall_shutdown_sockets_device_ocall();
oe_result_t oe_syscall_socket_ocall();
oe_result_t oe_syscall_socketpair_ocall();
oe_result_t oe_syscall_stat_ocall();
oe_result_t oe_syscall_truncate_ocall();
oe_result_t oe_syscall_uname_ocall();
oe_result_t oe_syscall_unlink_ocall();
oe_result_t oe_syscall_write_ocall();
oe_result_t oe_syscall_writev_ocall();
oe_result_t oe_verify_quote_ocall();
oe_result_t oe_verify_tdx_quote_ocall();
oe_result_t oe_write_ocall();

oe_result_t oe_get_qetarget_info_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_quote_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_quote_verification_collateral_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_quote_verification_collateral_with_baseline_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_supported_attester_format_ids_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_tdx_fmspc_from_quote_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_get_tdx_quote_verification_collateral_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_log_is_supported_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_log_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_realloc_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_backtrace_symbols_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_get_additional_host_entropy_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_get_cpuid_table_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_log_backtrace_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_sleep_switchless_worker_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_thread_wake_wait_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_sgx_wake_switchless_worker_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_accept_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_access_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_bind_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_clock_nanosleep_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_close_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_close_socket_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_closedir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_connect_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_dup_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_epoll_close_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_epoll_create1_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_epoll_ctl_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_epoll_wait_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_epoll_wake_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_fcntl_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_fdatasync_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_flock_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_fstat_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_fsync_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_ftruncate_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getaddrinfo_close_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getaddrinfo_open_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getaddrinfo_read_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getegid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_geteuid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getgid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getgroups_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getnameinfo_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getpeername_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getpgid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getpgrp_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getpid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getppid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getsockname_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getsockopt_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_getuid_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_ioctl_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_kill_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_link_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_listen_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_lseek_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_mkdir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_nanosleep_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_open_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_opendir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_poll_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_pread_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_pwrite_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_read_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_readdir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_readv_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_recv_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_recvfrom_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_recvmsg_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_recvv_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_rename_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_rewinddir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_rmdir_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_send_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_sendmsg_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_sendto_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_sendv_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_setsockopt_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_shutdown_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_shutdown_sockets_device_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_socket_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_socketpair_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_stat_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_truncate_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_uname_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_unlink_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_write_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_syscall_writev_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_verify_quote_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_verify_tdx_quote_ocall() { return OE_UNSUPPORTED; }
oe_result_t oe_write_ocall() { return OE_UNSUPPORTED; }
}  // extern "C"
