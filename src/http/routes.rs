//! The routes: which RPC a method and a path name, read from the `google.api.http` rules of the
//! protos.

use std::sync::Arc;

use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

use super::template::PathTemplate;

/// The path that takes list files.
pub(super) const UPLOAD_PATH: &str = "/v1/batches:upload";

/// The path of uploaded lists with their results.
pub(super) const DOWNLOAD_PATH: &str = "/v1/batches/{batch_id}:download";

/// The route of one RPC.
#[derive(Clone, Debug)]
pub(super) struct HttpRoute {
    /// The RPC.
    pub(super) rpc: MethodDescriptor,
    /// The RPC's path in gRPC, as `/package.Service/Method`.
    pub(super) rpc_path: String,
    /// The HTTP method.
    pub(super) method: Method,
    /// The path, as the rule has it.
    pub(super) path: String,
    /// The same, to match with.
    pub(super) template: PathTemplate,
    /// True if the fields come in a body; else in the query.
    pub(super) has_body: bool,
}

/// The routes of every RPC that has one.
#[derive(Clone, Debug)]
pub(super) struct RouteTable(Vec<Arc<HttpRoute>>);

/// The route for a request, with the values of the fields in its path.
#[derive(Clone, Debug)]
pub(super) struct RouteMatch {
    pub(super) route: Arc<HttpRoute>,
    pub(super) values: Vec<String>,
}

/// A request without a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// No route has this path.
    UnknownPath,
    /// The path takes other methods.
    WrongMethod(Vec<Method>),
}

impl HttpRoute {
    /// The type of the request message.
    pub(super) fn input(&self) -> MessageDescriptor {
        self.rpc.input()
    }

    /// The type of the answer, or of each one of a stream.
    pub(super) fn output(&self) -> MessageDescriptor {
        self.rpc.output()
    }

    fn new(rpc: MethodDescriptor, rule: &DynamicMessage) -> Option<Self> {
        let verbs = [
            ("get", Method::GET),
            ("post", Method::POST),
            ("delete", Method::DELETE),
            ("put", Method::PUT),
            ("patch", Method::PATCH),
        ];
        let (method, path) = verbs.into_iter().find_map(|(field, method)| {
            let path = text(rule, field).filter(|path| !path.is_empty())?;
            Some((method, path))
        })?;
        let rpc_path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        let template = PathTemplate::parse(&path);
        let has_body = text(rule, "body").is_some_and(|body| !body.is_empty());
        Some(Self { rpc, rpc_path, method, path, template, has_body })
    }
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    let value = message.get_field_by_name(field)?;
    value.as_str().map(str::to_owned)
}

impl RouteTable {
    /// The routes of every service in `pool`.
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let Some(http) = pool.get_extension_by_name("google.api.http") else {
            return Self(Vec::new());
        };
        let route = |rpc: MethodDescriptor| {
            let options = rpc.options();
            if !options.has_extension(&http) {
                return None;
            }
            match options.get_extension(&http).as_ref() {
                Value::Message(rule) => HttpRoute::new(rpc, rule),
                _ => None,
            }
        };
        let rpcs = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        Self(rpcs.filter_map(route).map(Arc::new).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HttpRoute> {
        self.0.iter().map(|route| &**route)
    }

    /// The route of this method and path.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<RouteMatch, NoRoute> {
        let mut others = Vec::new();
        for route in &self.0 {
            let Some(values) = route.template.values(path) else { continue };
            if route.method == method {
                return Ok(RouteMatch { route: Arc::clone(route), values });
            }
            others.push(route.method.clone());
        }
        Err(if others.is_empty() { NoRoute::UnknownPath } else { NoRoute::WrongMethod(others) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json;

    fn table() -> RouteTable {
        RouteTable::new(json::descriptors())
    }

    #[test]
    fn the_rules_of_the_protos_are_the_routes() {
        let table = table();
        let found = table.find(&Method::POST, "/v1/addresses:verify").unwrap();
        assert_eq!(found.route.rpc_path, "/mailvet.v1.VerificationService/VerifyAddress");
        assert!(found.route.has_body);
        let found = table.find(&Method::GET, "/v1/batches/x/results").unwrap();
        assert_eq!(found.route.rpc_path, "/mailvet.v1.BatchService/StreamBatchResults");
        assert_eq!(found.values, ["x"]);
        assert!(!found.route.has_body);
    }

    #[test]
    fn every_rpc_has_a_route_but_those_that_http_takes_as_files_or_one_by_one() {
        let table = table();
        let others = ["UploadBatch", "VerifyAddresses"];
        let mut count = 0;
        for service in json::descriptors().services() {
            for rpc in service.methods() {
                let has_route = table.iter().any(|route| route.rpc == rpc);
                assert_eq!(has_route, !others.contains(&rpc.name()), "{}", rpc.full_name());
                count += 1;
            }
        }
        assert!(count > 10, "{count}");
    }

    #[test]
    fn a_path_with_another_method_names_those_it_takes() {
        let table = table();
        let wrong = table.find(&Method::PUT, "/v1/batches/x").unwrap_err();
        assert_eq!(wrong, NoRoute::WrongMethod(vec![Method::GET, Method::DELETE]));
        assert_eq!(table.find(&Method::GET, "/v1").unwrap_err(), NoRoute::UnknownPath);
    }
}
