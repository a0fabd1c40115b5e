#include <microhttpd.h>

// The settings of a daemon. `listening` is a socket that listens already, or -1. `certificate` and `key` are PEM texts, or
// null without TLS.
struct shim_http_settings {
  const struct sockaddr *address;
  int listening;
  int is_ipv6;
  unsigned int connections;
  unsigned int idle_s;
  size_t memory_bytes;
  const char *certificate;
  const char *key;
  MHD_AcceptPolicyCallback accepts;
  MHD_AccessHandlerCallback handle;
  MHD_RequestCompletedCallback completed;
  MHD_NotifyConnectionCallback connection;
  void *context;
};

// MHD_start_daemon is variadic, which Swift cannot call.
static inline struct MHD_Daemon *shim_http_start(const struct shim_http_settings *settings) {
  // One thread, epoll if available, and a pipe that wakes the thread to stop it or to resume a connection.
  unsigned int flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
  if (settings->is_ipv6) flags |= MHD_USE_IPv6;
  struct MHD_OptionItem options[5];
  int count = 0;
  if (settings->listening >= 0)
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, settings->listening, NULL};
  else
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_SOCK_ADDR, 0, (void *)settings->address};
  if (settings->certificate) {
    flags |= MHD_USE_TLS;
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)settings->certificate};
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)settings->key};
    // TLS 1.2 or later.
    options[count++] = (struct MHD_OptionItem){
        MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"};
  }
  options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
  void *context = settings->context;
  return MHD_start_daemon(
      flags, 0, settings->accepts, context, settings->handle, context, MHD_OPTION_ARRAY, options,
      MHD_OPTION_CONNECTION_LIMIT, settings->connections, MHD_OPTION_CONNECTION_TIMEOUT, settings->idle_s,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings->memory_bytes, MHD_OPTION_NOTIFY_COMPLETED, settings->completed,
      context, MHD_OPTION_NOTIFY_CONNECTION, settings->connection, context, MHD_OPTION_END);
}

// MHD_get_connection_info is variadic too.
static inline int shim_http_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}
static inline const struct sockaddr *shim_http_peer(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info ? info->client_addr : NULL;
}

// MHD_set_connection_option is variadic too. Zero: no limit for a connection without traffic.
static inline void shim_http_no_timeout(struct MHD_Connection *connection) {
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
}

// MHD_get_daemon_info is variadic too.
static inline int shim_http_port(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info ? info->port : 0;
}
static inline int shim_http_listening(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_LISTEN_FD);
  return info ? info->listen_fd : -1;
}
