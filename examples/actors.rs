//! A worker among actors: another actix actor sends it messages as it would to any actor, without knowing that a process
//! is behind it.
//!
//! Run with `cargo run --example actors`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use actix::{Actor, Context, Handler, Message, Recipient, ResponseFuture};
use oast::{Code, EvalOptions, Evaluate, Job, Request, Spec, Worker};

/// An actor that knows how to ask, and not whom.
struct Teacher {
    pupil: Recipient<Evaluate>,
}

impl Actor for Teacher {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "String")]
struct Ask(&'static str);

impl Handler<Ask> for Teacher {
    type Result = ResponseFuture<String>;

    fn handle(&mut self, Ask(question): Ask, _: &mut Context<Self>) -> ResponseFuture<String> {
        let job = Job::Code(Code::from(question));
        let evaluate = Evaluate { request: Request { job, fetch: true }, options: EvalOptions::default() };
        let answer = self.pupil.send(evaluate);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(outcome)) => outcome.text,
                Ok(Err(error)) => format!("no answer: {error}"),
                Err(error) => format!("nobody there: {error}"),
            }
        })
    }
}

fn main() {
    oast::init();
    actix::System::new().block_on(async {
        // The worker's supervisor lives on this very arbiter, so that a question costs no thread change.
        let worker = Worker::on_this_arbiter(Spec::javascript("pupil").into_worker_spec());
        let teacher = Teacher { pupil: worker.recipient() }.start();
        for question in ["6 * 7", "[...'oast'].reverse().join('')", "new Date(0).getFullYear()"] {
            match teacher.send(Ask(question)).await {
                Ok(answer) => println!("{question} → {answer}"),
                Err(error) => println!("the teacher is gone: {error}"),
            }
        }
        worker.stop().await;
    });
}
