//! What programs for skynet ask for and do not find here, and why.

/// Modules that are made of sockets; a name that ends in a point stands for all that begin like it.
const SOCKET_MODULES: [&str; 22] = [
    "client.socket",
    "cluster",
    "cluster.core",
    "dns",
    "http.",
    "ltls",
    "mongo",
    "mysql",
    "redis",
    "skynet.cluster",
    "skynet.cluster.core",
    "skynet.db.",
    "skynet.dns",
    "skynet.remotedebug",
    "skynet.socket",
    "skynet.socketchannel",
    "skynet.socketdriver",
    "snax.gateserver",
    "snax.loginserver",
    "snax.msgserver",
    "socket",
    "socketchannel",
];

/// Modules of which others are made on skynet, in the order of their names.
const INNER_MODULES: [&str; 12] = [
    "skynet.datasheet.core",
    "skynet.datasheet.dump",
    "skynet.debugchannel",
    "skynet.injectcode",
    "skynet.sharedata.core",
    "skynet.sharedata.corelib",
    "skynet.sharetable.core",
    "skynet.snax.interface",
    "sharedata.core",
    "sharedata.corelib",
    "snax.hotfix",
    "snax.interface",
];

const INNER: &str = "it is a part of another module of skynet, which is made otherwise here; \
                     docs/porting-from-skynet.md tells what is absent";
const NO_SOCKETS: &str = "it needs sockets, which this host does not have; \
                          docs/porting-from-skynet.md tells what is absent";
const NO_CONSOLE: &str = "there are no sockets for it; debugging commands are sent by \
                          skynet.call(address, \"debug\", ...), and .launcher answers as elsewhere";
const NO_NODES: &str = "there is one node, which joins no others";

/// Why there is no module of that name.
pub(in crate::api) fn module(name: &str) -> Option<&'static str> {
    let is_it = |known: &&str| name == *known || (known.ends_with('.') && name.starts_with(known));
    if INNER_MODULES.contains(&name) {
        return Some(INNER);
    }
    SOCKET_MODULES.iter().any(is_it).then_some(NO_SOCKETS)
}

/// Why there is no service of that name.
pub(super) fn service(name: &str) -> Option<&'static str> {
    match name {
        "dbg" | "debug_agent" => Some(NO_CONSOLE),
        "clusteragent" | "clusterd" | "clusterproxy" | "clustersender" | "gate" => Some(NO_SOCKETS),
        "cdummy" | "cmaster" | "cslave" => Some(NO_NODES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_other_modules_are_told_from_modules_of_the_program() {
        assert_eq!(module("skynet.sharedata.corelib"), Some(INNER));
        assert_eq!(module("sharedata.corelib.mine"), None);
    }

    #[test]
    fn what_is_made_of_sockets_is_known_by_name() {
        for name in ["skynet.socket", "skynet.db.redis", "http.httpc", "snax.gateserver"] {
            assert_eq!(module(name), Some(NO_SOCKETS), "{name}");
        }
        for name in ["http", "skynet.db", "my.socket", "skynet.socketX", ""] {
            assert_eq!(module(name), None, "{name}");
        }
        assert_eq!(service("debug_agent"), Some(NO_CONSOLE));
        assert_eq!(service("clusterd"), Some(NO_SOCKETS));
        assert_eq!(service("cmaster"), Some(NO_NODES));
        assert_eq!(service("my_gate"), None);
    }
}
