//! The commands of the AWS CLI, on the Parameter Store of the tests.

use std::{fs, time::Duration};

use aws_sdk_ssm::types::ParameterType;
use funcify::register::WriteId;

use super::{all, rows, rows::How, rows::ROWS, world::World};
use crate::support::{aws, env};

fn of_aws(text: &str) -> bool {
    rows::row(text).is_some_and(|row| ROWS[row].1 == How::Aws)
}

/// The table that a page makes has what funcify needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own")]
async fn the_table_of_the_pages_is_made() {
    let shown = all().into_iter().flatten();
    let of_dynamodb = |text: &str| of_aws(text) && text.starts_with("aws dynamodb");
    let commands: Vec<_> = shown.map(|shown| shown.text).filter(|text| of_dynamodb(text)).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let world = World::new().await;
    let region = aws::config(None).await.region().unwrap().to_string();
    for command in commands {
        world.bash(&command, &[("AWS_DEFAULT_REGION", &region)]).well().unwrap();
    }
    let url = format!("dynamodb://fleet-dev?region={region}");
    world.bash("funcify doctor", &[("FUNCIFY_BACKEND", &url)]).well().unwrap();
}

/// Records of circuits, as old as this test: those that nobody has written for a month are removed, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(own_ssm, ignore = "Parameter Store is your own")]
async fn the_parameters_that_nobody_has_written_for_a_month_are_removed() {
    let shown: Vec<_> = all().into_iter().flatten().collect();
    let of_ssm = |text: &str| of_aws(text) && text.starts_with("aws ssm");
    let [command] = &shown.iter().filter(|shown| of_ssm(&shown.text)).collect::<Vec<_>>()[..]
    else {
        panic!("a new command of the AWS CLI needs a test here")
    };
    let world = World::new().await;
    let config = aws::config(None).await;
    let client = aws_sdk_ssm::Client::new(&config);
    let url = env::ssm();
    let path = url.trim_start_matches("ssm://").split('?').next().unwrap();
    let path = format!("{path}/commands-{}", &WriteId::random().to_string()[..12]);
    for name in ["warehouse", "search"] {
        let parameter = client.put_parameter().name(format!("{path}/circuit/{name}")).value("{}");
        parameter.r#type(ParameterType::String).send().await.unwrap();
    }
    let count = async || {
        let found = client.get_parameters_by_path().path(&path).recursive(true);
        found.send().await.unwrap().parameters().len()
    };
    // Version 2 of the CLI prints times like this. Version 1, which pip has, needs to be asked.
    let settings = world.file("config");
    fs::write(&settings, "[default]\ncli_timestamp_format = iso8601\n").unwrap();
    let region = config.region().unwrap().to_string();
    let variables =
        [("AWS_CONFIG_FILE", settings.to_str().unwrap()), ("AWS_DEFAULT_REGION", &region)];
    let written = command.text.replace("/fleet/shop", &path);
    assert!(written.contains(&path) && written.contains("30 days ago"), "{written}");

    world.bash(&written, &variables).well().unwrap();
    assert_eq!(count().await, 2, "they are new");
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.bash(&written.replace("30 days ago", "tomorrow"), &variables).well().unwrap();
    assert_eq!(count().await, 0, "as if a month had passed");
}
