//! A plain connection, around the store: to take walls away, and to look behind it.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, Executor as _, Row as _, ValueRef as _};
use tokio::runtime::{Builder, Runtime};

/// A connection that runs SQL text as it stands. Not for use inside an async runtime.
pub struct Session {
    connection: PgConnection,
    runtime: Runtime,
}

impl Session {
    /// Connects to `url`.
    ///
    /// # Panics
    /// When that fails.
    pub fn connect(url: &str) -> Session {
        Session::try_connect(url)
            .unwrap_or_else(|error| panic!("connecting to PostgreSQL: {error}"))
    }

    /// Connects to `url`, or tells why not.
    ///
    /// # Errors
    /// What the driver says.
    pub fn try_connect(url: &str) -> Result<Session, String> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(PgConnection::connect(url)).map_err(|e| e.to_string())?;
        Ok(Session { connection, runtime })
    }

    /// Runs `sql`, one or more statements, and returns the rows as text.
    ///
    /// # Panics
    /// When that fails.
    pub fn run(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs `sql`, one or more statements, and returns the rows as text.
    ///
    /// # Errors
    /// The SQLSTATE and the message.
    pub fn try_run(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let rows = self.runtime.block_on(self.connection.fetch_all(statement)).map_err(told)?;
        Ok(rows.iter().map(texts).collect())
    }

    /// Prepares `sql` with the types of parameters that it implies, without running it.
    ///
    /// # Errors
    /// The SQLSTATE and the message.
    pub fn try_prepare(&mut self, sql: &str) -> Result<(), String> {
        self.try_run(&format!("PREPARE statement_to_try AS {sql}; DEALLOCATE statement_to_try"))
            .map(|_| ())
    }

    /// How the server would run the statement `sql`, whatever its parameters are.
    ///
    /// # Panics
    /// When it would not.
    pub fn plan(&mut self, sql: &str) -> String {
        self.run(&format!("SET plan_cache_mode = force_generic_plan; PREPARE planned AS {sql}"));
        let nothing = self.run(
            "SELECT repeat('NULL, ', cardinality(parameter_types)) FROM pg_prepared_statements
            WHERE name = 'planned'",
        );
        let nothing = nothing.into_iter().flatten().flatten().collect::<String>();
        let nothing = match nothing.strip_suffix(", ") {
            Some(nothing) => format!("({nothing})"),
            None => String::new(),
        };
        let plan = self.run(&format!("EXPLAIN EXECUTE planned{nothing}"));
        self.run("DEALLOCATE planned");
        plan.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n")
    }
}

fn texts(row: &PgRow) -> Vec<Option<String>> {
    let text = |at: usize| {
        let value = row.try_get_raw(at).expect("a column that the row has");
        (!value.is_null()).then(|| value.as_str().expect("text").to_owned())
    };
    (0..row.columns().len()).map(text).collect()
}

fn told(error: sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => {
            format!("{}: {}", database.code().unwrap_or_default(), database.message())
        }
        None => error.to_string(),
    }
}
