//! The members of an event that funcify reads.

macro_rules! known_members {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $member:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            pub(crate) const COUNT: usize = [$(Self::$variant,)*].len();

            pub(crate) fn position(member: &str) -> Option<usize> {
                match member {
                    $($member => Some(Self::$variant as usize),)*
                    _ => None,
                }
            }
        }
    };
}

known_members! {
    /// The top-level members that funcify reads.
    Top {
        AuthorizationToken = "authorizationToken",
        Body = "body",
        Cookies = "cookies",
        Detail = "detail",
        DetailType = "detail-type",
        Event = "Event",
        EventSource = "eventSource",
        EventSourceArn = "eventSourceARN",
        Headers = "headers",
        HttpMethod = "httpMethod",
        IsBase64 = "isBase64Encoded",
        IsBase64Snake = "is_base64_encoded",
        Message = "Message",
        Method = "method",
        MethodArn = "methodArn",
        MultiValueHeaders = "multiValueHeaders",
        MultiValueQuery = "multiValueQueryStringParameters",
        Name = "Name",
        Path = "path",
        PathParameters = "pathParameters",
        Query = "queryStringParameters",
        QuerySnake = "query_string_parameters",
        RawPath = "rawPath",
        RawPathSnake = "raw_path",
        RawQuery = "rawQueryString",
        Records = "Records",
        RecordsByPartition = "records",
        RequestContext = "requestContext",
        Resource = "resource",
        RouteArn = "routeArn",
        RouteKey = "routeKey",
        Source = "source",
        StageVariables = "stageVariables",
        State = "state",
        TopicArn = "TopicArn",
        Type = "Type",
        Version = "version",
        Window = "window",
    }
}

known_members! {
    /// The members of `requestContext` that funcify reads.
    Context {
        Authorizer = "authorizer",
        ConnectionId = "connectionId",
        DomainName = "domainName",
        Elb = "elb",
        Http = "http",
        Identity = "identity",
        RouteKey = "routeKey",
        ServiceArn = "serviceArn",
        ServiceNetworkArn = "serviceNetworkArn",
        Stage = "stage",
        TargetGroupArn = "targetGroupArn",
    }
}
