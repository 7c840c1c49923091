//! Which functions can be called in a worker process.

use serde::{Serialize, de::DeserializeOwned};

mod sealed {
    /// Keeps [`Callable`](super::Callable) to functions: nothing else may be made from nothing in another process.
    pub trait Sealed<A> {}
}

/// A tuple of arguments that can cross to a worker process. Every tuple is one whose types implement `Serialize` and
/// `DeserializeOwned`.
pub trait Arguments: Serialize + DeserializeOwned {}

impl<A: Serialize + DeserializeOwned> Arguments for A {}

/// A function that can be called in a worker process: a plain `fn`, or a closure that captures nothing, of up to six
/// arguments. `A` is the tuple of the arguments; they and what it returns cross through serde.
///
/// A closure that captures something does not compile:
///
/// ```compile_fail
/// let more = 2;
/// oast::call_request(move |x: i32| x + more, (1,));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called in a worker process with the arguments `{A}`",
    note = "it must be a function, or a closure that captures nothing, whose arguments and result implement `Serialize` and `DeserializeOwned`"
)]
pub trait Callable<A: Arguments>: sealed::Sealed<A> + Copy + 'static {
    /// What it returns.
    type Output: Serialize + DeserializeOwned;

    /// Calls it here.
    fn call(self, arguments: A) -> Self::Output;
}

macro_rules! callable {
    ($($type:ident $name:ident),*) => {
        impl<F, R, $($type),*> sealed::Sealed<($($type,)*)> for F where F: Fn($($type),*) -> R {}

        impl<F, R, $($type),*> Callable<($($type,)*)> for F
        where
            F: Fn($($type),*) -> R + Copy + 'static,
            R: Serialize + DeserializeOwned,
            ($($type,)*): Arguments,
        {
            type Output = R;

            fn call(self, ($($name,)*): ($($type,)*)) -> R {
                self($($name),*)
            }
        }
    };
}

callable! {}
callable! { A a }
callable! { A a, B b }
callable! { A a, B b, C c }
callable! { A a, B b, C c, D d }
callable! { A a, B b, C c, D d, E e }
callable! { A a, B b, C c, D d, E e, G g }
