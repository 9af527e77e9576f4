//! What each source of HTTP requests does, with one value for each source.

use crate::pipeline::event::members::Top;
use crate::pipeline::event::source::known::{Known, captured, documented, inferred};

/// How one source delivers a request and takes the response.
pub(crate) struct HttpSource {
    pub(crate) method: MethodMember,
    /// The member with the path, and whether the path in it is still encoded.
    pub(crate) path: Known<Path>,
    /// What the source writes before the path of the route.
    pub(crate) prefix: Known<Prefix>,
    pub(crate) query: Known<Query>,
    pub(crate) headers: Known<Headers>,
    pub(crate) cookies: Known<Cookies>,
    pub(crate) response: Known<Response>,
    /// The largest response as JSON, in bytes.
    pub(crate) limit: Known<usize>,
    /// Whether the source can take a response while the handler still produces it.
    pub(crate) streams: Known<bool>,
    /// Whether a response to HEAD, a 204 or a 304 is sent with content. No source needs the content and no
    /// client expects it, so it is `false` for every source.
    pub(crate) sends_content: Known<bool>,
    pub(crate) caller: Known<CallerAddress>,
    /// Whether the source may have an authorizer of its own.
    pub(crate) has_authorizer: bool,
    /// Whether `requestContext.identity` says who signed the request.
    pub(crate) has_signer: bool,
}

/// Where the method is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodMember {
    Top(Top),
    /// `requestContext.http.method`
    Http,
    /// The source has no methods. Each event becomes a POST.
    Post,
}

/// The member with the path, and what the source has done to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// As the client encoded it.
    Encoded(Top),
    /// Decoded once.
    Decoded(Top),
    /// `requestContext.routeKey`, a name that the owner of the API chose.
    RouteKey,
}

/// What the source writes before the path of the route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Nothing,
    /// The stage, unless it is `$default`.
    Stage,
    /// Under the domain that API Gateway made for the API, the stage, unless it is `$default`. Under a custom
    /// domain, the base path.
    StageOrBasePath,
    /// Under a custom domain the base path.
    BasePath,
}

/// Where the query is, and what the source has done to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Query {
    /// `rawQueryString`, as the client sent it.
    Raw,
    /// After the path, as the client sent it. If the path has no `?`, the parameters, as the client encoded
    /// them.
    InPath,
    /// Parameters, decoded once.
    Decoded,
    /// Parameters, as the client encoded them.
    Encoded,
}

/// How the source delivers headers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    /// One text for each name. The values of a repeated header are joined with commas.
    Joined,
    /// `multiValueHeaders` has a list for each name, and `headers` has the last value.
    Listed,
    /// `headers` with the last value, or `multiValueHeaders`, depending on the configuration of the target
    /// group.
    Either,
}

/// How the source delivers cookies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    /// In the header.
    Header,
    /// In the list `cookies`, and not in the header.
    List,
    /// The same cookies twice: in the list `cookies` and in the header.
    Both,
}

/// The format in which the source takes a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    /// `multiValueHeaders`
    MultiValue,
    /// `headers`
    SingleValue,
    /// `headers`, and `cookies` in a list of their own.
    Cookies,
    /// `headers` or `multiValueHeaders`, whichever the request has, and `statusDescription`.
    DescribedLikeRequest,
    /// `headers` and `statusDescription`
    Described,
}

/// Where the address of the client is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerAddress {
    /// `requestContext.identity.sourceIp`
    Identity,
    /// `requestContext.http.sourceIp`
    Http,
    /// The last address in the header `x-forwarded-for`, which the source adds.
    ForwardedFor,
}

/// Source: "Lambda quotas" in the Lambda developer guide, invocation payload of a synchronous response.
pub(crate) const SIX_MEGABYTES: usize = 6 * 1024 * 1024;
const ONE_MEGABYTE: usize = 1024 * 1024;

const LAMBDA_QUOTAS: &str =
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html";
const REST: &str = "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html";
const REST_STREAM: &str =
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html";
const HTTP_API: &str = "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html";
const FUNCTION_URL: &str = "https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html";
const STREAMING: &str =
    "https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html";
const ALB: &str =
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html";
const ALB_HEADERS: &str =
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html";
const LATTICE: &str = "https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html";
const WEBSOCKET: &str = "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html";
/// The emulator of the AWS SDK for .NET team, which compares itself with the real gateways.
const EMULATOR: &str = "https://github.com/aws/aws-lambda-dotnet/pull/1901";
const PSOXY: &str = "https://github.com/Worklytics/psoxy/pull/827";
const CUSTOM_DOMAIN: &str = "https://github.com/aws-powertools/powertools-lambda-python/pull/579";
const STAGE_IN_PATH: &str = "https://github.com/CodeGenieApp/serverless-express/issues/465";
const VOKER: &str = "https://github.com/hotsock/voker/pull/8";
const DOTNET_QUERY: &str = "https://github.com/aws/aws-lambda-dotnet/pull/451";

const DROPPED: Known<bool> = inferred(false);

pub(super) static REST_V1: HttpSource = HttpSource {
    method: MethodMember::Top(Top::HttpMethod),
    path: captured(Path::Encoded(Top::Path), VOKER),
    prefix: captured(Prefix::BasePath, CUSTOM_DOMAIN),
    query: captured(Query::Decoded, DOTNET_QUERY),
    headers: documented(Headers::Listed, REST),
    cookies: documented(Cookies::Header, REST),
    response: documented(Response::MultiValue, REST),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: documented(true, REST_STREAM),
    sends_content: DROPPED,
    caller: documented(CallerAddress::Identity, REST),
    has_authorizer: true,
    has_signer: true,
};

pub(super) static HTTP_V1_PAYLOAD: HttpSource = HttpSource {
    method: MethodMember::Top(Top::HttpMethod),
    path: captured(Path::Encoded(Top::Path), PSOXY),
    prefix: captured(Prefix::StageOrBasePath, CUSTOM_DOMAIN),
    query: captured(Query::Decoded, EMULATOR),
    headers: documented(Headers::Listed, HTTP_API),
    cookies: documented(Cookies::Header, HTTP_API),
    response: documented(Response::MultiValue, HTTP_API),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::Identity, HTTP_API),
    has_authorizer: true,
    has_signer: true,
};

pub(super) static HTTP_V2: HttpSource = HttpSource {
    method: MethodMember::Http,
    path: captured(Path::Decoded(Top::RawPath), EMULATOR),
    prefix: captured(Prefix::Stage, STAGE_IN_PATH),
    query: captured(Query::Raw, EMULATOR),
    headers: documented(Headers::Joined, HTTP_API),
    cookies: documented(Cookies::List, HTTP_API),
    response: documented(Response::Cookies, HTTP_API),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::Http, HTTP_API),
    has_authorizer: true,
    has_signer: false,
};

pub(super) static FUNCTION_URL_SOURCE: HttpSource = HttpSource {
    method: MethodMember::Http,
    path: captured(Path::Encoded(Top::RawPath), VOKER),
    prefix: documented(Prefix::Nothing, FUNCTION_URL),
    query: documented(Query::Raw, FUNCTION_URL),
    headers: documented(Headers::Joined, FUNCTION_URL),
    cookies: captured(Cookies::Both, VOKER),
    response: documented(Response::Cookies, FUNCTION_URL),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: documented(true, STREAMING),
    sends_content: DROPPED,
    caller: documented(CallerAddress::Http, FUNCTION_URL),
    has_authorizer: true,
    has_signer: false,
};

pub(super) static WEB_SOCKET: HttpSource = HttpSource {
    method: MethodMember::Post,
    path: documented(Path::RouteKey, WEBSOCKET),
    prefix: documented(Prefix::Nothing, WEBSOCKET),
    query: inferred(Query::Decoded),
    headers: inferred(Headers::Listed),
    cookies: inferred(Cookies::Header),
    response: inferred(Response::SingleValue),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::Identity, WEBSOCKET),
    has_authorizer: true,
    has_signer: true,
};

pub(super) static LOAD_BALANCER: HttpSource = HttpSource {
    method: MethodMember::Top(Top::HttpMethod),
    path: captured(Path::Encoded(Top::Path), VOKER),
    prefix: documented(Prefix::Nothing, ALB),
    query: captured(Query::Encoded, DOTNET_QUERY),
    headers: documented(Headers::Either, ALB),
    cookies: documented(Cookies::Header, ALB),
    response: documented(Response::DescribedLikeRequest, ALB),
    limit: documented(ONE_MEGABYTE, ALB),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::ForwardedFor, ALB_HEADERS),
    has_authorizer: false,
    has_signer: false,
};

pub(super) static LATTICE_V1: HttpSource = HttpSource {
    method: MethodMember::Top(Top::Method),
    path: inferred(Path::Encoded(Top::RawPathSnake)),
    prefix: documented(Prefix::Nothing, LATTICE),
    query: documented(Query::InPath, LATTICE),
    headers: documented(Headers::Joined, LATTICE),
    cookies: documented(Cookies::Header, LATTICE),
    response: documented(Response::Described, LATTICE),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::ForwardedFor, LATTICE),
    has_authorizer: false,
    has_signer: false,
};

pub(super) static LATTICE_V2: HttpSource = HttpSource {
    method: MethodMember::Top(Top::Method),
    path: inferred(Path::Encoded(Top::Path)),
    prefix: documented(Prefix::Nothing, LATTICE),
    query: documented(Query::InPath, LATTICE),
    headers: documented(Headers::Joined, LATTICE),
    cookies: documented(Cookies::Header, LATTICE),
    response: documented(Response::Described, LATTICE),
    limit: documented(SIX_MEGABYTES, LAMBDA_QUOTAS),
    streams: inferred(false),
    sends_content: DROPPED,
    caller: documented(CallerAddress::ForwardedFor, LATTICE),
    has_authorizer: false,
    has_signer: false,
};

impl HttpSource {
    /// Whether the source has decoded the path. A decoded path must not be decoded again.
    pub(crate) fn path_is_decoded(&self) -> bool {
        !matches!(self.path.value, Path::Encoded(_))
    }

    /// Whether the parameters are still encoded as the client sent them.
    pub(crate) fn query_is_encoded(&self) -> bool {
        matches!(self.query.value, Query::Encoded | Query::InPath)
    }
}
