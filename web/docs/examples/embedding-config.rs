//! Configures a broker inside a program.

use std::error::Error;
use stompbox::Config;

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::from_toml("user = [\"alice:correct-horse\"]")?;
    config.set("frame-bytes-max", "64KiB")?;
    config.check()?;
    println!("the configuration is valid");
    Ok(())
}
