//! `shraga token`: who may talk to an embedded store.

use anstyle::Style;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shraga_dataverse::{Error, Role, Token as Record, TokenRequest};
use uuid::Uuid;

use super::Context;
use crate::display::paint::DIM;
use crate::display::table::Table;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};

/// Make, list and revoke tokens of the embedded store
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga token create --user ada@example.org --role user
  shraga token create --user ada@example.org --role worker --pool dedicated --slots 2 --json
  shraga token list
  shraga token revoke 0193f0a1-b2c3-7d4e-8f90-112233445566

Needs an admin's token. The secret is printed once; the store keeps only its hash.")]
pub struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, and its user when new
    Create(Create),
    /// List tokens, without their secrets
    List,
    /// Revoke a token, at once
    Revoke {
        /// The token's identity, as `token list` shows it
        id: Uuid,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// E-mail address of its user
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// What it allows
    #[arg(long, value_enum)]
    role: RoleArg,
    /// For workers: whom the worker serves [default: dedicated]
    #[arg(long, value_enum)]
    pool: Option<PoolArg>,
    /// For workers: the most slots it may offer [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: Option<u32>,
    /// For workers: labels it may carry, separated by commas
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Own rows
    User,
    /// Rows assigned to its worker
    Worker,
    /// Everything
    Admin,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PoolArg {
    /// Serves anybody
    Shared,
    /// Serves its owner
    Dedicated,
}

impl Token {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        if let Action::Create(create) = &self.action {
            create.check()?;
        }
        let session = Session::open(&context.config, Caller::Admin).await?;
        if !session.is_embedded() {
            return Err(Failure::new(
                Exit::Usage,
                "this store is Dataverse, which has no tokens of ours",
            )
            .hint("use Microsoft Entra ID there; tokens are for the embedded store"));
        }
        match self.action {
            Action::Create(create) => create.run(&context, &session).await,
            Action::List => list(&context, &session).await,
            Action::Revoke { id } => revoke(&context, &session, id).await,
        }
    }
}

impl Create {
    fn check(&self) -> Result<(), Failure> {
        let limits = self.pool.is_some() || self.slots.is_some() || !self.labels.is_empty();
        if limits && self.role != RoleArg::Worker {
            return Err(Failure::new(
                Exit::Usage,
                "--pool, --slots and --labels are for --role worker",
            ));
        }
        Ok(())
    }

    async fn run(self, context: &Context, session: &Session) -> Result<Exit, Failure> {
        let request = TokenRequest {
            user: self.user,
            role: match self.role {
                RoleArg::User => Role::User,
                RoleArg::Worker => Role::Worker,
                RoleArg::Admin => Role::Admin,
            },
            worker: None,
            pool: self.pool.map(|pool| {
                match pool {
                    PoolArg::Shared => "shared",
                    PoolArg::Dedicated => "dedicated",
                }
                .to_owned()
            }),
            slots: self.slots,
            labels: self.labels,
        };
        let token = session.client.create_token(&request).await?;
        let secret = token.token.as_ref().map_or("", ExposeSecret::expose_secret);
        if context.output.json {
            let mut object = record(&token);
            object["token"] = secret.into();
            context.output.object(&object)?;
        } else {
            context.output.line(secret)?;
            context.output.talk(format_args!(
                "token {} for {} ({}); it is not shown again",
                token.id,
                crate::display::clean::one_line(&token.user),
                name(token.role)
            ));
        }
        Ok(Exit::Done)
    }
}

async fn list(context: &Context, session: &Session) -> Result<Exit, Failure> {
    let tokens = session.client.tokens().await?;
    if context.output.json {
        let tokens: Vec<_> = tokens.iter().map(record).collect();
        context.output.object(&tokens)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&context.output, &["ID", "USER", "ROLE", "MADE"]);
    for token in &tokens {
        table.row([
            (token.id.to_string(), DIM),
            (token.user.clone(), Style::new()),
            (name(token.role).to_owned(), Style::new()),
            (token.created.clone().unwrap_or_default(), DIM),
        ]);
    }
    context.output.line(table.print())?;
    Ok(Exit::Done)
}

async fn revoke(context: &Context, session: &Session, id: Uuid) -> Result<Exit, Failure> {
    match session.client.revoke_token(id).await {
        Ok(()) => {}
        Err(Error::Missing(_)) => {
            return Err(
                Failure::new(Exit::NotFound, format!("there is no token {id}"))
                    .hint("`shraga token list` shows them"),
            );
        }
        Err(error) => return Err(error.into()),
    }
    if context.output.json {
        context
            .output
            .object(&json!({ "id": id, "revoked": true }))?;
    } else {
        context.output.talk(format_args!("token {id} is revoked"));
    }
    Ok(Exit::Done)
}

fn record(token: &Record) -> Value {
    json!({
        "id": token.id,
        "user": token.user,
        "role": name(token.role),
        "worker": token.worker.map(|worker| worker.to_string()),
        "created": token.created,
    })
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Worker => "worker",
        Role::Admin => "admin",
    }
}
