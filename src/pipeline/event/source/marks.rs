//! Members that show by their presence which source an event comes from. Their values are not read.

macro_rules! marks {
    ($($variant:ident = $member:literal,)*) => {
        /// A top-level member by which a source is recognised.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Mark { $($variant,)* }

        impl Mark {
            pub(crate) fn of(member: &str) -> Option<Self> {
                match member {
                    $($member => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

marks! {
    Arguments = "arguments",
    AwsLogs = "awslogs",
    Bot = "bot",
    ClickType = "clickType",
    CodePipelineJob = "CodePipeline.job",
    ConfigRule = "configRuleName",
    CurrentIntent = "currentIntent",
    DatasetRecords = "datasetRecords",
    DeliveryStreamArn = "deliveryStreamArn",
    Details = "Details",
    DeviceEvent = "deviceEvent",
    IdentityPool = "identityPoolId",
    Info = "info",
    InvocationId = "invocationId",
    InvocationSchema = "invocationSchemaVersion",
    InvokingEvent = "invokingEvent",
    LogicalResource = "LogicalResourceId",
    PlacementInfo = "placementInfo",
    ProtocolData = "protocolData",
    Protocols = "protocols",
    RequestType = "RequestType",
    ResponseUrl = "ResponseURL",
    SerialNumber = "serialNumber",
    SessionState = "sessionState",
    StackId = "StackId",
    Tasks = "tasks",
    TriggerSource = "triggerSource",
    UserPool = "userPoolId",
}

/// The marks that an event has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Marks(u32);

impl Marks {
    pub(crate) fn add(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u32;
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has_all(self, marks: &[Mark]) -> bool {
        marks.iter().all(|mark| self.0 & (1 << *mark as u32) != 0)
    }
}
